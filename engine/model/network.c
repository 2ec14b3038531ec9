/* SPDX-License-Identifier: Apache-2.0
 * Opening networks. */
#include "engine/model/network.h"

FwNetwork *
fw_network_open (const FwArchitecture *architecture, const char *path, JsonObject *config, const char *what, GError **error)
{
  g_autoptr (FwNetwork) network = g_new0 (FwNetwork, 1);
  network->architecture = architecture;
  network->path = g_strdup (path);
  if (!architecture->read (&network->config, config, what, error))
    return NULL;
  network->traits = architecture->traits (&network->config);
  FwCheckpoint *checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL)
    return NULL;
  network->weights = fw_weights_new (checkpoint, architecture->names);
  return fw_names_expect (checkpoint, architecture->names, path, error) ? g_steal_pointer (&network) : NULL;
}

void
fw_network_free (FwNetwork *network)
{
  if (network == NULL)
    return;
  fw_weights_free (network->weights);
  g_free (network->path);
  g_free (network);
}
