"""Files for supervisor, cron and containers."""

from __future__ import annotations

import shlex

from .installation import Installation

_SUPERVISOR = """\
; {name}.conf: abreast under supervisor. Printed by 'abreast supervisor print'.
; To install it:
;     abreast supervisor print{flags} | sudo tee /etc/supervisor/conf.d/{name}.conf
;     sudo supervisorctl update
; What it has to say, errors of its own included:   supervisorctl tail -f {name}
; {zone}
; Before a start, 'abreast config check' says whether the configuration is right.

[program:{name}]
command={command}
directory={folder}
user={user}
environment={environment}
umask=077
autostart=true
autorestart=unexpected
exitcodes=0
startsecs=5
startretries=5
; Stopping: running runs get {drain:g} s, then they are ended and queued again.
stopsignal=TERM
stopwaitsecs={stop}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=/var/log/supervisor/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=5
"""

_CRON = """\
# abreast by cron, on a machine where no service of it runs. Printed by 'abreast cron print'.
# To install it:   abreast cron print{flags} | sudo crontab -u {user} -
# (that replaces the crontab of {user}; 'abreast import crontab' takes over what stands in it)
# Every minute it does what is due and all that waits, then leaves; while one is at it, others
# leave at once. It prints only what failed, which cron sends by mail.
# {zone}
SHELL=/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
{environment}* * * * * {command}
"""

_DOCKERFILE = """\
# abreast in a container. Printed by 'abreast docker print'.
#     docker build -t abreast:{version} .
# It is taken from a wheel in dist/, or else from the package index.
FROM python:{python}-slim
ARG ABREAST="abreast[server]=={version}"
RUN --mount=type=bind,target=/build \\
    pip install --no-cache-dir --find-links /build/dist "$ABREAST" \\
    && useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin abreast \\
    && mkdir -p /etc/abreast && chmod 0700 /data
ENV ABREAST_HOME=/data \\
    ABREAST_STORE=sqlite:////data/abreast.db \\
    ABREAST_SERVER_LISTEN=0.0.0.0:7000 \\
    PYTHONUNBUFFERED=1 \\
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /etc/abreast
VOLUME /data
EXPOSE 7000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \\
    CMD ["abreast", "health", "--quiet", "/etc/abreast"]
ENTRYPOINT ["abreast"]
CMD ["serve", "/etc/abreast"]
"""

_COMPOSE = """\
# abreast in a container. Printed by 'abreast docker print --compose'.
# {zone}
# In a container it listens on more than the loopback, so it wants a user before it starts:
#     docker compose run --rm abreast user add NAME --role admin
#     docker compose up -d
# What it has to say, errors of its own included:   docker compose logs -f
services:
  abreast:
    build: .
    image: "abreast:{version}"
    restart: unless-stopped
    init: true
    user: "10001:10001"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    pids_limit: 4096
    tmpfs: ["/tmp:size=1g,mode=1777"]
    environment:
      TZ: "{tz}"
    volumes:
      - "data:/data"
      - {folder}
    ports:
      - "127.0.0.1:7000:7000"
    # running runs get {drain:g} s, then they are ended and queued again
    stop_grace_period: {stop}s

volumes:
  data: {{}}
"""


def supervisor(here: Installation, flags: str = "") -> str:
    """The text of a program section for supervisor."""
    variables = {**_variables(here), "PYTHONUNBUFFERED": "1"}
    environment = ",".join(f'{name}="{_percent(value)}"' for name, value in variables.items())
    return _SUPERVISOR.format(
        name=here.name,
        flags=flags,
        zone=_zone(here),
        command=_percent(shlex.join(here.command("serve"))),
        folder=_percent(here.folder),
        user=here.user,
        environment=environment,
        drain=here.drain,
        stop=here.stop_s,
    )


def cron(here: Installation, flags: str = "") -> str:
    """The text of a crontab."""
    lines = [f"{name}={value}\n" for name, value in _variables(here).items()]
    return _CRON.format(
        flags=flags,
        user=here.user,
        zone=_zone(here),
        environment="".join(lines),
        # cron ends a command at a percent sign
        command=shlex.join(here.command("once", "--quiet")).replace("%", "\\%"),
    )


def dockerfile(here: Installation) -> str:
    """The text of a Dockerfile."""
    return _DOCKERFILE.format(version=here.version, python=here.python)


def compose(here: Installation) -> str:
    """The text of a file for ``docker compose``."""
    mount = f"{'./etc' if here.standard else here.folder}:/etc/abreast:ro".replace("\\", "\\\\")
    return _COMPOSE.format(
        zone=_zone(here, "TZ below"),
        version=here.version,
        tz=here.zone or "UTC",
        folder=f'"{mount.replace("$", "$$")}"',
        drain=here.drain,
        stop=here.stop_s,
    )


def _zone(here: Installation, otherwise: str = "that of the machine") -> str:
    if here.zone is None or otherwise.startswith("TZ"):
        return f"Schedules that name no zone go by {otherwise}, or [scheduler] timezone."
    return f"Schedules that name no zone go by {here.zone} ({here.zone_origin})."


def _variables(here: Installation) -> dict[str, str]:
    home = {} if here.home is None else {"ABREAST_HOME": here.home}
    return {**home, **here.environment}


def _percent(text: str) -> str:
    """As supervisor reads it: a percent sign begins the name of a value."""
    return text.replace("%", "%%")
