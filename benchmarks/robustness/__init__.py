"""Do decisions hold when the text is touched, attacked, or unlike anything trained on?"""
