"""The exceptions of quarl. Each has the text of the library's error, which names what is wrong and what to do."""


class QuarlError(Exception):
    """Any error of quarl."""


class ConfigError(QuarlError, ValueError):
    """A setting is unknown, missing, out of range or in conflict with another one."""


class InputError(QuarlError, ValueError):
    """An observation, action or action mask has the wrong size."""


class EnvError(QuarlError, RuntimeError):
    """An environment cannot be used, or has failed. Its own exception, if there is one, is the cause."""


class ReplayError(QuarlError, RuntimeError):
    """The replay buffer holds too few transitions."""


class DivergenceError(QuarlError, ArithmeticError):
    """A loss or a parameter is no longer finite."""


class StateError(QuarlError, RuntimeError):
    """A saved state does not fit, or a model cannot do this now."""


class FileError(QuarlError, OSError):
    """A file or directory cannot be read, written or replaced."""


class InternalError(QuarlError, RuntimeError):
    """A defect of quarl."""
