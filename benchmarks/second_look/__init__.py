"""What is a look at small's answer worth?"""
