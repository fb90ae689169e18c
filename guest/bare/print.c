/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bare/runtime.h"

typedef struct Conversion {
        bool zero;
        unsigned width;
        unsigned longs; /* how many "l" */
} Conversion;

void bare_putchar(char c)
{
        console_write(&c, 1);
}

void bare_puts(const char *text)
{
        console_write(text, strlen(text));
}

static void print_number(uint64_t value, bool negative, unsigned base, const Conversion *c)
{
        char text[72];
        size_t at = sizeof(text);
        unsigned width = c->width < 64 ? c->width : 64;

        do {
                text[--at] = "0123456789abcdef"[value % base];
                value /= base;
        } while (value > 0);
        if (negative && !c->zero)
                text[--at] = '-';
        while (sizeof(text) - at + (negative && c->zero) < width)
                text[--at] = c->zero ? '0' : ' ';
        if (negative && c->zero)
                text[--at] = '-';
        console_write(text + at, sizeof(text) - at);
}

static void print_signed(int64_t value, const Conversion *c)
{
        print_number(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0, 10, c);
}

static void print_string(const char *text, const Conversion *c)
{
        size_t length;

        text = text ?: "(null)";
        length = strlen(text);
        for (size_t i = length; i < c->width; i++)
                bare_putchar(' ');
        console_write(text, length);
}

/* Reads flags, width and length behind a '%'; returns where the conversion letter stands. */
static const char *conversion_parse(const char *format, Conversion *ret)
{
        Conversion c = {0};

        for (; *format == '0'; format++)
                c.zero = true;
        for (; *format >= '0' && *format <= '9'; format++)
                c.width = c.width * 10 + (unsigned)(*format - '0');
        for (; *format == 'l' || *format == 'z'; format++)
                c.longs++;
        *ret = c;
        return format;
}

void bare_vprintf(const char *format, va_list args)
{
        const char *plain = format;
        Conversion c;

        while (*format != '\0') {
                if (*format != '%') {
                        format++;
                        continue;
                }
                console_write(plain, (size_t)(format - plain));
                format = conversion_parse(format + 1, &c);
                plain = format;
                if (*format == '\0')
                        break;
                plain = ++format;
                switch (format[-1]) {
                case 'c':
                        bare_putchar((char)va_arg(args, int));
                        break;
                case 's':
                        print_string(va_arg(args, const char *), &c);
                        break;
                case 'd':
                case 'i':
                        print_signed(c.longs > 0 ? va_arg(args, long) : va_arg(args, int), &c);
                        break;
                case 'u':
                        print_number(c.longs > 0 ? va_arg(args, unsigned long)
                                                 : va_arg(args, unsigned),
                                     false, 10, &c);
                        break;
                case 'x':
                        print_number(c.longs > 0 ? va_arg(args, unsigned long)
                                                 : va_arg(args, unsigned),
                                     false, 16, &c);
                        break;
                case 'p':
                        bare_puts("0x");
                        print_number((uintptr_t)va_arg(args, void *), false, 16, &c);
                        break;
                default: /* "%%", and an unknown letter as itself */
                        bare_putchar(format[-1]);
                }
        }
        console_write(plain, (size_t)(format - plain));
}

void bare_printf(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        bare_vprintf(format, args);
        va_end(args);
}
