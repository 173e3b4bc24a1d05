"""A program on a pseudo terminal, led by lines of JSON.

usage: pty.py ROWS COLUMNS PROGRAM ARGUMENT...

Reads {"send": HEX}, {"size": [ROWS, COLUMNS]}, {"signal": NUMBER}, {"hangup": true}, {"mode": true} from standard
input; writes {"data": HEX}, {"mode": {...}}, {"ended": STATUS} (negative: the signal) to standard output.
"""
import fcntl, json, os, select, signal, struct, sys, termios

rows, columns, *command = sys.argv[1:]
master, slave = os.openpty()


def set_size(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))


def say(**words):
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


set_size(rows, columns)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 64)
    os.execvp(command[0], command)

# `slave` stays open here: what the program did to the terminal can be asked after its end.
commands = b""
open_master = True
while True:
    ready, _, _ = select.select([0] + ([master] if open_master else []), [], [], 0.05)
    if open_master and master in ready:
        try:
            data = os.read(master, 65536)
        except OSError:
            data = b""
        if data:
            say(data=data.hex())
            continue
    if 0 in ready:
        read = os.read(0, 65536)
        if not read:
            os.kill(child, signal.SIGKILL)
            break
        commands += read
        *lines, commands = commands.split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "send" in order:
                os.write(master, bytes.fromhex(order["send"]))
            if "size" in order:
                set_size(*order["size"])
            if "signal" in order:
                os.kill(child, order["signal"])
            if "mode" in order:
                _, _, _, local, *_ = termios.tcgetattr(slave)
                say(mode={"canonical": bool(local & termios.ICANON), "echo": bool(local & termios.ECHO)})
            if "hangup" in order:
                os.close(slave)
                os.close(master)
                open_master = False
        continue
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        if open_master:
            _, _, _, local, *_ = termios.tcgetattr(slave)
            say(mode={"canonical": bool(local & termios.ICANON), "echo": bool(local & termios.ECHO)})
        say(ended=os.waitstatus_to_exitcode(status))
        break
