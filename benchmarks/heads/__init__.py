"""Which head on the frozen encoder?"""
