/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmconfig/platform-version.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"

typedef enum VersionOp {
        VERSION_OP_CARET,
        VERSION_OP_TILDE,
        VERSION_OP_EQUAL,
        VERSION_OP_GREATER,
        VERSION_OP_GREATER_EQUAL,
        VERSION_OP_LESS,
        VERSION_OP_LESS_EQUAL,
} VersionOp;

/* The first n_parts of major, minor, patch are given; a wildcard ends them. */
typedef struct Version {
        uint32_t parts[3];
        unsigned n_parts;
} Version;

static const char *skip_blanks(const char *p)
{
        while (*p == ' ')
                p++;
        return p;
}

/* Longer ones first, so that ">=" is not taken for ">". Without an operator it is "^". */
static VersionOp read_op(const char **p)
{
        static const struct {
                const char *text;
                VersionOp op;
        } ops[] = {
                {">=", VERSION_OP_GREATER_EQUAL}, {"<=", VERSION_OP_LESS_EQUAL},
                {">", VERSION_OP_GREATER},        {"<", VERSION_OP_LESS},
                {"=", VERSION_OP_EQUAL},          {"~", VERSION_OP_TILDE},
                {"^", VERSION_OP_CARET},
        };

        for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
                size_t n = strlen(ops[i].text);

                if (strncmp(*p, ops[i].text, n) == 0) {
                        *p = skip_blanks(*p + n);
                        return ops[i].op;
                }
        }
        return VERSION_OP_CARET;
}

/* A decimal number without leading zeros, at most nine digits. */
static int read_part(const char **p, uint32_t *ret)
{
        const char *start = *p;
        uint32_t value = 0;

        while (**p >= '0' && **p <= '9' && *p - start < 9)
                value = value * 10 + (uint32_t)(*(*p)++ - '0');
        if (*p == start || (*start == '0' && *p - start > 1) || (**p >= '0' && **p <= '9'))
                return -EINVAL;
        *ret = value;
        return 0;
}

static bool is_wildcard(char c)
{
        return c == '*' || c == 'x' || c == 'X';
}

/* "1", "1.2", "1.2.3", "1.*", "*"; after a wildcard only wildcards. */
static int read_version(const char **p, Version *ret, bool *ret_wildcard)
{
        Version version = {0};
        bool wildcard = false;

        for (unsigned i = 0; i < ARRAY_SIZE(version.parts); i++) {
                if (i > 0) {
                        if (**p != '.')
                                break;
                        (*p)++;
                }
                if (is_wildcard(**p)) {
                        wildcard = true;
                        (*p)++;
                } else if (wildcard || read_part(p, &version.parts[i]) < 0) {
                        return -EINVAL;
                } else {
                        version.n_parts = i + 1;
                }
        }
        *ret = version;
        *ret_wildcard = wildcard;
        return 0;
}

/* Compares the first n parts. */
static int version_compare(const Version *a, const Version *b, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                if (a->parts[i] != b->parts[i])
                        return a->parts[i] < b->parts[i] ? -1 : 1;
        return 0;
}

/* The parts that "^" holds still: up to and with the first that is not 0 (Cargo's rule). */
static unsigned caret_parts(const Version *wanted)
{
        for (unsigned i = 0; i < wanted->n_parts; i++)
                if (wanted->parts[i] != 0)
                        return i + 1;
        return wanted->n_parts;
}

/* Cargo's table: an absent part of the wanted version leaves that part free. */
static bool version_meets(const Version *version, VersionOp op, const Version *wanted)
{
        int order = version_compare(version, wanted, wanted->n_parts);

        switch (op) {
        case VERSION_OP_CARET:
                return order >= 0 && version_compare(version, wanted, caret_parts(wanted)) == 0;
        case VERSION_OP_TILDE:
                return order >= 0 &&
                       version_compare(version, wanted, CONST_MIN(wanted->n_parts, 2U)) == 0;
        case VERSION_OP_EQUAL:
                return order == 0;
        case VERSION_OP_GREATER:
                return order > 0;
        case VERSION_OP_GREATER_EQUAL:
                return order >= 0;
        case VERSION_OP_LESS:
                return order < 0;
        case VERSION_OP_LESS_EQUAL:
                return order <= 0;
        }
        return false;
}

int platform_version_matches(const char *requirement, const char *version, bool *ret)
{
        const char *p = skip_blanks(requirement);
        Version actual, wanted;
        bool matches = true, wildcard;

        if (read_version(&version, &actual, &wildcard) < 0 || *version != '\0' || wildcard ||
            actual.n_parts != 3)
                return -EINVAL;

        for (;;) {
                const char *before = p;
                VersionOp op = read_op(&p);

                if (read_version(&p, &wanted, &wildcard) < 0)
                        return -EINVAL;
                /* "1.2.*" means "=1.2", and "*" anything at all. */
                if (wildcard && op == VERSION_OP_CARET && *before != '^')
                        op = VERSION_OP_EQUAL;
                matches = matches && version_meets(&actual, op, &wanted);
                p = skip_blanks(p);
                if (*p == '\0')
                        break;
                if (*p != ',')
                        return -EINVAL;
                p = skip_blanks(p + 1);
        }
        *ret = matches;
        return 0;
}
