/* Tells the service manager how the node is (sd_notify's protocol: one
 * datagram to the socket that $NOTIFY_SOCKET names). */
#pragma once

/* "READY=1", "STOPPING=1"; nothing where no manager listens. */
void notify(const char *state);
