"""Router folders made to hurt, by the thousand."""
