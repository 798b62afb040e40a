"""The command `appliance`: start the server, manage models, keep copies, look at the settings.

It only reads the command line and hands over; imports stand in the commands, so that each
starts quickly. The rule that must not break: a mistake ends in one sentence and exit code 2.
"""

from __future__ import annotations

import sys

import click

from appliance import __version__
from appliance.access_cli import accounts, keys, tls
from appliance.audit_cli import audit
from appliance.bench_cli import bench
from appliance.chat_cli import chat
from appliance.doctor_cli import doctor
from appliance.eval_cli import evaluate
from appliance.knowledge_cli import init, knowledge
from appliance.models_cli import models
from appliance.reload_cli import reload
from appliance.store_cli import backup, restore
from appliance.tools_cli import tools
from appliance.update_cli import roll_back_model, update_model

EXIT_BAD_SETTINGS = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="appliance")
def main() -> None:
    """An offline customer-service assistant in a box.

    \b
    appliance serve            start it and print the address to open
    appliance serve --demo     the same without a model: it says your words back
    appliance models list      which models there are
    appliance backup           copy all conversations, also while it runs
    appliance restore FILE     put such a copy in their place
    appliance doctor           look at this machine and say what to do
    appliance bench            measure it, and say what load it carries
    appliance config           every setting, its value and where it comes from

    Settings stand in appliance.toml (port = 9000) or in the environment (APPLIANCE_PORT=9000).
    """


@main.command()
@click.option("--keep-alive", is_flag=True, help="Restart it after a crash, 5 times in 10 minutes.")
@click.option("--demo", is_flag=True, help="Answer from a script, without a model.")
@click.option("--host", help="Address to listen on, before APPLIANCE_HOST.")
@click.option("--port", type=int, help="Port to listen on, before APPLIANCE_PORT.")
def serve(keep_alive: bool, demo: bool, host: str | None, port: int | None) -> None:
    """Start the assistant and print the addresses to open.

    The page is there within a second; the model loads behind it. Ctrl-C ends it in order.

    Example: appliance serve --port 9000
    """
    if keep_alive:
        from appliance.supervise import keep_alive as keep_alive_with

        again = [argument for argument in sys.argv[1:] if argument != "--keep-alive"]
        sys.exit(keep_alive_with([sys.executable, "-m", "appliance", *again]))
    from appliance.lean_start import begin_lean

    begin_lean()
    from appliance.errors import SettingsError
    from appliance.settings_file import SettingsFile

    wanted = {"host": host, "port": port}
    overrides = {key: value for key, value in wanted.items() if value is not None}
    # Named, because it is no fault of the script when a real model was withheld.
    file = SettingsFile(overrides, {"model": "demo"} if demo else {})
    try:
        settings = file.read()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)
    from appliance.engine.engine import Engine
    from appliance.engine.makers import make_engine
    from appliance.engine.scripted import ScriptedEngine, play_demo
    from appliance.server import serve as serve_with

    engine: Engine = make_engine(settings)
    if demo:
        engine = ScriptedEngine(play_demo, parallel=settings.parallel)
    sys.exit(serve_with(settings, engine, file))


@main.command(short_help="Print every setting, its value and what it means.")
def config() -> None:
    """Print every setting with its value, where it comes from and what it means.

    \b
    Example: appliance config > appliance.toml     begin a settings file of your own
    """
    from pydantic import SecretStr

    from appliance.config import ENV_PREFIX, SETTINGS_FILE, load_settings, write_toml
    from appliance.errors import SettingsError
    from appliance.settings import Settings

    try:
        loaded = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)
    print(f"# Set these in {SETTINGS_FILE} or as {ENV_PREFIX}<KEY> in the environment.")
    for key, field in Settings.model_fields.items():
        value = getattr(loaded.settings, key)
        is_secret = isinstance(value, SecretStr) and bool(value.get_secret_value())
        line = f"# {key} is set and not shown" if is_secret else f"{key} = {write_toml(value)}"
        print(f"\n# {field.description}\n{line}  # {loaded.origins[key]}")


for command in (
    *(models, knowledge, tools, init, chat, evaluate, backup, restore),
    *(keys, accounts, tls, audit),
):
    main.add_command(command)
for command in (bench, doctor, reload):
    main.add_command(command)
for command in (update_model, roll_back_model):
    models.add_command(command)
