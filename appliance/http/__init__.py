"""The one door of the appliance: HTTP in, JSON and server-sent events out."""
