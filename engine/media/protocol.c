/* SPDX-License-Identifier: Apache-2.0
 * Sending and receiving one message of the media protocol. */
#include "engine/media/protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

gboolean
fw_message_send (int socket, FwMessage *message, FwMessageKind kind, const int *fds, int n_fds)
{
  message->magic = FW_MEDIA_MAGIC;
  message->version = FW_MEDIA_VERSION;
  message->kind = kind;
  message->reserved = 0;
  struct iovec bytes = { message, sizeof *message };
  _Alignas (struct cmsghdr) char control[CMSG_SPACE (sizeof (int) * FW_MEDIA_MAX_FDS)] = { 0 };
  struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
  if (n_fds > 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
    struct cmsghdr *rights = CMSG_FIRSTHDR (&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN (sizeof (int) * n_fds);
    memcpy (CMSG_DATA (rights), fds, sizeof (int) * n_fds);
  }
  gssize sent;
  do
    sent = sendmsg (socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent == sizeof *message;
}

static int
take_fds (struct msghdr *header, int *fds, int max_fds)
{
  int n = 0;
  for (struct cmsghdr *rights = CMSG_FIRSTHDR (header); rights != NULL; rights = CMSG_NXTHDR (header, rights)) {
    if (rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS)
      continue;
    int count = (rights->cmsg_len - CMSG_LEN (0)) / sizeof (int);
    for (int i = 0; i < count; i++) {
      int fd;
      memcpy (&fd, CMSG_DATA (rights) + i * sizeof (int), sizeof fd);
      if (n < max_fds)
        fds[n++] = fd;
      else
        close (fd);
    }
  }
  return n;
}

int
fw_message_receive (int socket, FwMessage *message, int *fds, int max_fds, int *n_fds)
{
  _Alignas (struct cmsghdr) char control[CMSG_SPACE (sizeof (int) * FW_MEDIA_MAX_FDS)];
  struct iovec bytes = { message, sizeof *message };
  struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
  if (max_fds > 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  gssize got;
  int tries = 0;
  do
    got = recvmsg (socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  /* A side that closed with messages unread makes the first receive fail although its last words still wait. */
  while (got < 0 && (errno == EINTR || (errno == ECONNRESET && tries++ == 0)));
  int taken = max_fds > 0 && got >= 0 ? take_fds (&header, fds, max_fds) : 0;
  if (n_fds != NULL)
    *n_fds = taken;
  if (got == 0)
    return 0;
  if (got < 0)
    return errno == ECONNRESET ? 0 : -1;
  if (got == sizeof *message && message->magic == FW_MEDIA_MAGIC && message->version == FW_MEDIA_VERSION &&
      message->kind > FW_MESSAGE_NONE && message->kind < FW_N_MESSAGES)
    return 1;
  for (int i = 0; i < taken; i++)
    close (fds[i]);
  if (n_fds != NULL)
    *n_fds = 0;
  errno = EPROTO;
  return -1;
}
