"""Does the certificate hold on real pairs?"""
