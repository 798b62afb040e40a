"""`python -m appliance` is the command `appliance`."""

from appliance.cli import main

main(prog_name="appliance")
