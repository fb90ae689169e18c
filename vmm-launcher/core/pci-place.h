/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where an architecture has its PCI bus. */

#include <stdint.h>

typedef struct PciPlace {
        uint64_t ecam, ecam_size;     /* guest physical */
        uint64_t window, window_size; /* guest physical, below 4 GiB: the BARs' */
        uint16_t config_port;         /* CONFIG_ADDRESS of configuration mechanism #1; 0: none */
} PciPlace;
