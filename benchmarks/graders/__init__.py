"""Do the graders agree with the grades of public results?"""
