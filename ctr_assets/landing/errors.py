"""What is raised for deliveries that cannot be taken as they are."""


class LandingError(ValueError):
    """A delivered file, or the landing zone itself, cannot be read; the message names it and says what to do."""


class LandingZoneError(LandingError):
    """The landing zone cannot be listed; the message names the place and says what to do."""
