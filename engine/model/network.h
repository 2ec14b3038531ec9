/* SPDX-License-Identifier: Apache-2.0
 * One network of a model: its row in the table of networks, its configuration, and its weights in a mapped checkpoint. */
#pragma once
#include "engine/model/architecture.h"
#include "engine/model/weights.h"

typedef struct {
  const FwArchitecture *architecture;
  FwNetworkConfig config;
  FwNetworkTraits traits;
  char *path;               /* of the checkpoint, a file or folder */
  FwWeights *weights;
} FwNetwork;

/* Opens the checkpoint at @path (nothing is read yet) as @architecture configured by @config; @what is the configuration's
 * name for messages. FW_ERROR_FORMAT for a configuration or file that is damaged, FW_ERROR_CHECKPOINT for another network's
 * weights. Free with fw_network_free(). */
FwNetwork *fw_network_open (const FwArchitecture *architecture, const char *path, JsonObject *config, const char *what,
                            GError **error);
void fw_network_free (FwNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwNetwork, fw_network_free)
