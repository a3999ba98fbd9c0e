"""Does a third model pay?"""
