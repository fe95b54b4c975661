#!/bin/sh
# Starts the mail system and stays. The argument is where mail goes for users who have no .qmail file;
# what follows it, if anything does, is the logger (splogger, multilog). See quail-start(8).
PATH="/var/qmail/bin:/usr/local/bin:/usr/bin:/bin"
exec env - PATH="$PATH" ${LISTEN_FDS:+LISTEN_FDS="$LISTEN_FDS" LISTEN_PID="$LISTEN_PID"} \
    quail-start ./Maildir/ LOGGER
