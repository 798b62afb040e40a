"""The appliance: an offline customer-service assistant in a box."""

__version__ = "0.16.0"
