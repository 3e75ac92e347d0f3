# The worker program: runs Gymnasium environments and answers requests. worker.rs starts it and describes the protocol; spaces.py
# precedes this file in the same program.
import os
import select
import signal
import sys
import time

PROTOCOL = 3

# Output of the environment, from Python or C, goes to standard error; its standard input is empty.
requests, replies = os.dup(0), os.dup(1)
os.dup2(2, 1)
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.close(nothing)
# The parent handles Ctrl-C. This process leads a background process group of the terminal, and may write to the terminal.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)


def watch(worker):
    """Ends the process group when the worker or its parent has ended, even if the worker is stuck in C code. Runs in a
    separate process."""
    os.close(replies)
    poll = select.poll()
    poll.register(requests, 0)
    while os.getppid() == worker:
        if poll.poll(200):
            # Time for the worker to end by itself, for example to close its environments.
            deadline = time.monotonic() + 1.0
            while os.getppid() == worker and time.monotonic() < deadline:
                time.sleep(0.02)
            if os.getppid() == worker:
                # The worker may have left the group.
                os.kill(worker, signal.SIGKILL)
            break
    os.killpg(0, signal.SIGKILL)


me = os.getpid()
if os.fork() == 0:
    watch(me)

import importlib.util
import struct
import traceback

if os.getcwd() not in sys.path and "" not in sys.path:
    sys.path.insert(0, os.getcwd())
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

HEADER = struct.Struct("<BBHId")  # status, ending, environment, payload's length, reward
REQUEST = struct.Struct("<BBHIQ")  # operation, flag, environment, payload's length, argument
OK, FAILED, DOING = 0, 1, 2
RESET, STEP, RENDER, SAVE, LOAD = 1, 2, 3, 4, 5
TERMINATED, TRUNCATED = 1, 2


def read(length):
    data = b""
    while len(data) < length:
        part = os.read(requests, length - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def write(view):
    while len(view):
        view = view[os.write(replies, view) :]


def missing_module(error):
    """The name of the package that an import did not find; empty for other errors."""
    name = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    try:
        return name if name and importlib.util.find_spec(name) is None else None
    except (ImportError, ValueError):
        return None


def failure(error):
    """An exception as JSON for the parent."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    kind, message = getattr(error, "kind", "exception"), str(error)
    if type(error).__name__ == "DependencyNotInstalled":
        kind = "dependency"
    elif missing_module(error):
        kind, message = "module", missing_module(error)
    return json.dumps({"kind": kind, "type": type(error).__name__, "message": message, "at": at}).encode()


def send(status, which, payload):
    write(memoryview(HEADER.pack(status, 0, which, len(payload), 0.0) + payload))


def doing(what):
    """Reports the current activity to the parent."""
    send(DOING, 0, what.encode())


def describe(env, hello):
    """The description of an environment for the parent: JSON, then the observation bounds as f32."""
    spaces_of, low, high = describe_spaces(env)
    spec = env.spec
    answer = {
        "protocol": PROTOCOL,
        **spaces_of,
        "max_episode_steps": spec.max_episode_steps if spec else None,
        "reward_threshold": spec.reward_threshold if spec else None,
        "render_fps": int(env.metadata.get("render_fps") or 30),
        "has_action_mask": has_action_mask(hello),
        "saves_random_state": saves_random_state(env),
        "gymnasium": gymnasium.__version__,
    }
    return answer, low.tobytes() + high.tobytes()


def make(hello, rendering):
    # TOML has no None, so the text "None" stands for it.
    args = {key: None if value == "None" else value for key, value in hello["args"].items()}
    args.setdefault("disable_env_checker", True)
    if rendering and "render_mode" not in args:
        probe = gymnasium.make(hello["id"], **args)
        modes = probe.metadata.get("render_modes") or []
        probe.close()
        if "rgb_array" in modes:
            args["render_mode"] = "rgb_array"
    return gymnasium.make(hello["id"], **args)


def has_action_mask(hello):
    """Whether the environment has an action mask, tested on a separate copy so that the real one is unchanged."""
    try:
        doing("making and resetting the environment once, to see whether it has an action mask")
        probe = make(hello, False)
        _, info = probe.reset(seed=0)
        probe.close()
        return "action_mask" in info
    except Exception:
        return False


def responder(env, which, answer):
    """Returns a function that answers one request about `env`, whose index at the parent is `which`."""
    size, n = int(np.prod(answer["shape"])), answer["actions"]
    dtype = np.dtype("u1" if answer["bytes"] else "<f4")
    masked = answer["has_action_mask"]
    length = size * dtype.itemsize + (n if masked else 0)
    reply = bytearray(HEADER.size + length)
    observe = observer(env.observation_space, np.frombuffer(reply, dtype, size, HEADER.size))
    mask_view = np.frombuffer(reply, np.uint8, n if masked else 0, len(reply) - (n if masked else 0))
    actions = integer_actions(env.action_space)
    pack, step, os_write, whole = HEADER.pack_into, env.step, os.write, len(reply)

    see = mask_reader(mask_view, n, masked)

    def respond(operation, flag, extra, argument):
        end, reward = 0, 0.0
        if operation == STEP:
            observation, reward, terminated, truncated, info = step(actions[argument])
            end = TERMINATED if terminated else TRUNCATED if truncated else 0
        elif operation == RESET:
            observation, info = env.reset(seed=argument if flag else None)
        else:
            send(OK, which, OTHER[operation](env, read(extra)))
            return
        observe(observation)
        if masked or "action_mask" in info:
            see(info)
        try:
            pack(reply, 0, OK, end, which, length, reward)
        except (struct.error, TypeError) as error:
            raise Refused("value", f"the reward is {reward!r}, expected a number") from error
        # The same as write(), without the call: nearly always, a single os.write is enough.
        wrote = os_write(replies, reply)
        if wrote < whole:
            write(memoryview(reply)[wrote:])

    return respond


def serve(envs, answer):
    """Answers requests in order until the input ends."""
    responders = [responder(env, which, answer) for which, env in enumerate(envs)]
    unpack, whole, os_read = REQUEST.unpack, REQUEST.size, os.read
    while True:
        request = os_read(requests, whole)
        if len(request) < whole:
            if not request:
                return
            request += read(whole - len(request))
        operation, flag, which, extra, argument = unpack(request)
        try:
            responders[which](operation, flag, extra, argument)
        except EOFError:
            return
        except (Exception, SystemExit) as error:
            send(FAILED, which, failure(error))


def render(env, _):
    """Width, height, then the bytes of the picture; empty if there is no picture."""
    if env.render_mode != "rgb_array":
        return b""
    frame = env.render()
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise Refused("value", f"render() returned {type(frame).__name__}, expected an array of bytes [height, width, 3]")
    return struct.pack("<II", frame.shape[1], frame.shape[0]) + frame.tobytes()


def save(env, _):
    return save_generator(env)


def load(env, state):
    load_generator(env, state)
    return b""


OTHER = {RENDER: render, SAVE: save, LOAD: load}


def main():
    global gymnasium, np, spaces
    (length,) = struct.unpack("<I", read(4))
    hello = json.loads(read(length))
    try:
        if hello["protocol"] != PROTOCOL:
            raise Refused("protocol", f"protocol {hello['protocol']} was requested, this worker uses {PROTOCOL}")
        doing("importing gymnasium")
        try:
            import gymnasium
            import numpy as np
            from gymnasium import spaces
        except ImportError as error:
            raise Refused("gymnasium", str(error)) from error
        for module in hello["imports"]:
            doing(f"importing {module}")
            try:
                __import__(module)
            except ImportError as error:
                raise Refused("import", f"{module}: {error}") from error
        if hello["id"]:
            doing("making the environment")
            try:
                envs = [make(hello, hello["render"]) for _ in range(hello["environments"])]
            except (gymnasium.error.UnregisteredEnv, gymnasium.error.DeprecatedEnv) as error:
                raise Refused("unknown", str(error)) from error
            answer, raw = describe(envs[0], hello)
        else:
            answer, raw = {"protocol": PROTOCOL, "ids": sorted(gymnasium.registry)}, b""
    except (Exception, SystemExit) as error:
        send(FAILED, 0, failure(error))
        return
    text = json.dumps(answer).encode()
    send(OK, 0, struct.pack("<I", len(text)) + text + raw)
    if hello["id"]:
        try:
            serve(envs, answer)
        finally:
            for env in envs:
                env.close()


try:
    main()
except (BrokenPipeError, EOFError):
    # The parent has ended, so no answer is needed.
    pass
