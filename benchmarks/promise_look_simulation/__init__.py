"""Does the certificate of the second look hold where the truth is known?"""
