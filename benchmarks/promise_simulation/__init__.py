"""Does the certificate hold where the truth is known?"""
