"""Errors that the operator can repair: a line for each fault, without a traceback.

Imported once a command has failed, since it imports the settings and parts of the web process.
"""

from model_store.errors import StoreError
from service.commands.shared.errors import CommandError
from service.machine import MachineError
from service.settings import SettingsError
from service.web.keys import NoKey
from service.web.server.listening import ListenError

EXPECTED = (CommandError, ListenError, MachineError, NoKey, SettingsError, StoreError)
