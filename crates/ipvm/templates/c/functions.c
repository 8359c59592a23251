/* The functions of wit/world.wit. What comes in is freed here; what goes out is allocated with malloc, and the bindings free
   it. */

#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void exports_example_guest_functions_greet(guest_string_t *name, guest_string_t *ret) {
    size_t room = name->len + sizeof "Hello, !";
    char *text = malloc(room);
    if (text == NULL) abort();
    int len = snprintf(text, room, "Hello, %.*s!", (int)name->len, (char *)name->ptr);
    *ret = (guest_string_t){.ptr = (uint8_t *)text, .len = len};
    guest_string_free(name);
}

static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

bool exports_example_guest_functions_summarise(guest_string_t *text, exports_example_guest_functions_summary_t *ret,
                                               guest_string_t *err) {
    uint32_t lines = 0, words = 0;
    size_t start = 0, longest = 0, longest_len = 0;
    for (size_t i = 0; i <= text->len; i++) {
        bool end = i == text->len;
        if (end ? i > 0 && text->ptr[i - 1] != '\n' : text->ptr[i] == '\n') lines++;
        if (!end && !is_space(text->ptr[i])) continue;
        if (i > start) words++;
        if (i - start > longest_len) longest = start, longest_len = i - start;
        start = i + 1;
    }
    if (words == 0) {
        guest_string_dup(err, "there is no word in this text");
    } else {
        ret->lines = lines;
        ret->words = words;
        guest_string_dup_n(&ret->longest, (char *)text->ptr + longest, longest_len);
    }
    guest_string_free(text);
    return words > 0;
}

void exports_example_guest_functions_mask(guest_list_u8_t *data, uint8_t key, guest_list_u8_t *ret) {
    for (size_t i = 0; i < data->len; i++) data->ptr[i] ^= key;
    *ret = *data;
}
