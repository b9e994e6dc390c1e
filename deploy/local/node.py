"""What a private RabbitMQ node is told: its record, its files, its environment.

Erlang nodes find each other through epmd. A shared one would tell other people's nodes about ours and end with the
first of them, so this node has its own, on a port of its own. Nothing listens beyond 127.0.0.1.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from deploy.local.package import SEARCH_PATH
from deploy.local.process import Process

NODE = "fleet@localhost"
USER = "fleet"

CONFIGURATION = """\
listeners.tcp.local = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
management.rates_mode = none
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true
default_vhost = /
heartbeat = 30
max_message_size = 16777216
disk_free_limit.absolute = 50MB
tcp_listen_options.nodelay = true
tcp_listen_options.backlog = 512
raft.wal_max_size_bytes = 67108864
log.console = false
log.file.level = info
"""


class RabbitmqRecord(BaseModel):
    model_config = ConfigDict(frozen=True)

    amqp: int
    management: int
    distribution: int
    epmd: int
    password: str
    ready: bool = False  # whether it has ever answered: before that its data may be half made
    name_server: Process | None = None
    process: Process | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        return self.amqp, self.management, self.distribution, self.epmd


def configure(folder: Path, record: RabbitmqRecord) -> None:
    """Write the files that the node reads."""
    file = folder / "rabbitmq.conf"
    file.touch(mode=0o600)
    values = {"amqp": record.amqp, "management": record.management}
    file.write_text(CONFIGURATION.format(user=USER, password=record.password, **values))
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    (folder / "advanced.config").write_text("[].\n")
    (folder / "rabbitmq-env.conf").touch()


def environment(folder: Path, record: RabbitmqRecord) -> dict[str, str]:
    """All that the node and `rabbitmqctl` know of the machine: a variable of the caller's could name another node."""
    return {
        "PATH": SEARCH_PATH,
        "LANG": "C.UTF-8",
        "HOME": str(folder),  # the Erlang cookie lives here
        "ERL_EPMD_PORT": str(record.epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
        "RUNNING_UNDER_SYSTEMD": "true",  # the start script then becomes the server instead of waiting for it
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(record.amqp),
        "RABBITMQ_DIST_PORT": str(record.distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }
