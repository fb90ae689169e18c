/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "arch/x86_64/acpi-aml.h"
#include "arch/x86_64/acpi.h"

/* The definition block of the DSDT without its table header. */
void dsdt_write(Aml *aml, const AcpiConfig *config);
