/* The interface `values` in C. The bindings own what comes in: it is freed here, or handed on in the result. What goes out
   is allocated with malloc; the bindings free it. */

#include "example.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.141592653589793

/* Names of the interface without what is common to all of them. */
typedef exports_example_languages_values_person_t person_t;
typedef exports_example_languages_values_shape_t shape_t;
typedef exports_example_languages_values_integers_t integers_t;
typedef exports_example_languages_values_statistics_t statistics_t;
typedef exports_example_languages_values_division_error_t division_error_t;
typedef exports_example_languages_values_result_s64_string_t parsed_t;
typedef exports_example_languages_values_list_result_s64_string_t parsed_list_t;
typedef exports_example_languages_values_ordering_t ordering_t;
typedef exports_example_languages_values_permissions_t permissions_t;

static void *allocate(size_t count, size_t size) {
    if (count == 0) return NULL;
    void *memory = calloc(count, size);
    if (memory == NULL) abort();
    return memory;
}

/* Text that grows to the right; there is room for all that will be appended. */
static void append(example_string_t *text, const void *more, size_t len) {
    if (len > 0) memcpy(text->ptr + text->len, more, len);
    text->len += len;
}

static void append_text(example_string_t *text, const char *more) { append(text, more, strlen(more)); }

/* Appends the UTF-8 of a scalar value. */
static void append_scalar(example_string_t *text, uint32_t scalar) {
    int more = scalar < 0x80 ? 0 : scalar < 0x800 ? 1 : scalar < 0x10000 ? 2 : 3;
    uint8_t bytes[4];
    for (int place = more; place > 0; place--, scalar >>= 6) bytes[place] = 0x80 | (scalar & 0x3f);
    bytes[0] = more == 0 ? scalar : (uint8_t)(0xff00 >> (more + 1)) | scalar;
    append(text, bytes, more + 1);
}

void exports_example_languages_values_describe(person_t *who, example_string_t *ret) {
    size_t room = who->name.len + 64;
    for (size_t i = 0; i < who->nicknames.len; i++) room += who->nicknames.ptr[i].len + 8;
    *ret = (example_string_t){.ptr = allocate(room, 1), .len = 0};

    char age[8];
    snprintf(age, sizeof age, " (%u)", who->age);
    append(ret, who->name.ptr, who->name.len); /* not with %s: there may be a zero in it */
    append_text(ret, age);
    if (who->initial.is_some) {
        append_text(ret, ", initial ");
        append_scalar(ret, who->initial.val);
    }
    for (size_t i = 0; i < who->nicknames.len; i++) {
        append_text(ret, i == 0 ? ", called " : " and ");
        append(ret, who->nicknames.ptr[i].ptr, who->nicknames.ptr[i].len);
    }
    exports_example_languages_values_person_free(who);
}

static double polygon_area(example_list_tuple2_f64_f64_t corners) {
    double sum = 0;
    for (size_t i = 0; i < corners.len; i++) {
        example_tuple2_f64_f64_t here = corners.ptr[i], next = corners.ptr[(i + 1) % corners.len];
        sum += here.f0 * next.f1 - next.f0 * here.f1;
    }
    return fabs(sum / 2);
}

double exports_example_languages_values_area(shape_t *of) {
    double area = 0;
    switch (of->tag) {
    case EXPORTS_EXAMPLE_LANGUAGES_VALUES_SHAPE_POINT: break;
    case EXPORTS_EXAMPLE_LANGUAGES_VALUES_SHAPE_CIRCLE: area = PI * of->val.circle * of->val.circle; break;
    case EXPORTS_EXAMPLE_LANGUAGES_VALUES_SHAPE_RECTANGLE: area = of->val.rectangle.f0 * of->val.rectangle.f1; break;
    case EXPORTS_EXAMPLE_LANGUAGES_VALUES_SHAPE_POLYGON: area = polygon_area(of->val.polygon); break;
    }
    exports_example_languages_values_shape_free(of);
    return area;
}

bool exports_example_languages_values_divide(int64_t dividend, int64_t divisor, int64_t *ret, division_error_t *err) {
    if (divisor == 0) {
        *err = EXPORTS_EXAMPLE_LANGUAGES_VALUES_DIVISION_ERROR_BY_ZERO;
        return false;
    }
    if (dividend == INT64_MIN && divisor == -1) {
        *err = EXPORTS_EXAMPLE_LANGUAGES_VALUES_DIVISION_ERROR_OVERFLOW;
        return false;
    }
    *ret = dividend / divisor;
    return true;
}

void exports_example_languages_values_complement(integers_t *of, integers_t *ret) {
    *ret = (integers_t){
        .a = ~of->a, .b = ~of->b, .c = ~of->c, .d = ~of->d, .e = ~of->e, .f = ~of->f, .g = ~of->g, .h = ~of->h};
}

bool exports_example_languages_values_statistics_of(example_list_s32_t *numbers, statistics_t *ret) {
    if (numbers->len == 0) return false;
    *ret = (statistics_t){.count = numbers->len, .smallest = numbers->ptr[0], .largest = numbers->ptr[0]};
    for (size_t i = 0; i < numbers->len; i++) {
        int32_t number = numbers->ptr[i];
        if (number < ret->smallest) ret->smallest = number;
        if (number > ret->largest) ret->largest = number;
        ret->sum += number;
    }
    example_list_s32_free(numbers);
    return true;
}

bool exports_example_languages_values_mean(example_list_f64_t *numbers, double *ret) {
    if (numbers->len == 0) return false;
    double sum = 0;
    for (size_t i = 0; i < numbers->len; i++) sum += numbers->ptr[i];
    *ret = sum / (double)numbers->len;
    example_list_f64_free(numbers);
    return true;
}

static float between(double a, double b) { return (float)((a + b) / 2); }

void exports_example_languages_values_midpoint(example_tuple2_f32_f32_t *a, example_tuple2_f32_f32_t *b,
                                               example_tuple2_f32_f32_t *ret) {
    *ret = (example_tuple2_f32_f32_t){between(a->f0, b->f0), between(a->f1, b->f1)};
}

void exports_example_languages_values_reverse(example_list_u8_t *bytes, example_list_u8_t *ret) {
    for (size_t i = 0; i < bytes->len / 2; i++) {
        uint8_t first = bytes->ptr[i];
        bytes->ptr[i] = bytes->ptr[bytes->len - 1 - i];
        bytes->ptr[bytes->len - 1 - i] = first;
    }
    *ret = *bytes;
}

static parsed_t parse_one(example_string_t word) {
    bool negative = word.len > 0 && word.ptr[0] == '-';
    size_t digits = word.len - negative;
    bool good = digits >= 1 && digits <= 18;
    int64_t number = 0;
    for (size_t i = negative; good && i < word.len; i++) {
        good = word.ptr[i] >= '0' && word.ptr[i] <= '9';
        number = number * 10 + (word.ptr[i] - '0');
    }
    if (good) return (parsed_t){.is_err = false, .val.ok = negative ? -number : number};

    static const char said[] = "not a number: ";
    parsed_t bad = {.is_err = true, .val.err.ptr = allocate(sizeof said + word.len, 1)};
    append_text(&bad.val.err, said);
    append(&bad.val.err, word.ptr, word.len);
    return bad;
}

void exports_example_languages_values_parse(example_list_string_t *words, parsed_list_t *ret) {
    ret->len = words->len;
    ret->ptr = allocate(words->len, sizeof *ret->ptr);
    for (size_t i = 0; i < words->len; i++) ret->ptr[i] = parse_one(words->ptr[i]);
    example_list_string_free(words);
}

/* The order of UTF-8 bytes is that of scalar values. */
ordering_t exports_example_languages_values_compare(example_string_t *a, example_string_t *b) {
    size_t shorter = a->len < b->len ? a->len : b->len;
    int difference = shorter == 0 ? 0 : memcmp(a->ptr, b->ptr, shorter);
    if (difference == 0) difference = (a->len > b->len) - (a->len < b->len);
    example_string_free(a);
    example_string_free(b);
    if (difference == 0) return EXPORTS_EXAMPLE_LANGUAGES_VALUES_ORDERING_EQUAL;
    return difference < 0 ? EXPORTS_EXAMPLE_LANGUAGES_VALUES_ORDERING_LESS
                          : EXPORTS_EXAMPLE_LANGUAGES_VALUES_ORDERING_GREATER;
}

static bool continues(uint8_t byte) { return (byte & 0xc0) == 0x80; }

bool exports_example_languages_values_is_palindrome(example_string_t *text) {
    bool same = true;
    size_t front = 0, back = text->len;
    while (same && front < back) {
        size_t front_end = front + 1, back_start = back - 1;
        while (front_end < text->len && continues(text->ptr[front_end])) front_end++;
        while (back_start > 0 && continues(text->ptr[back_start])) back_start--;
        same = front_end - front == back - back_start &&
               memcmp(text->ptr + front, text->ptr + back_start, back - back_start) == 0;
        front = front_end;
        back = back_start;
    }
    example_string_free(text);
    return same;
}

/* The outer option is whether there is a pointer, or what is returned. */
bool exports_example_languages_values_layered(example_option_u16_t *lower, example_option_u16_t *upper,
                                              example_option_u16_t *ret) {
    example_option_u16_t *says = upper != NULL ? upper : lower;
    if (says == NULL) return false;
    *ret = *says;
    return true;
}

permissions_t exports_example_languages_values_missing(permissions_t granted, permissions_t wanted) {
    return wanted & ~granted;
}

static void count_one(example_list_tuple2_string_u32_t *counts, const uint8_t *word, size_t len) {
    for (size_t i = 0; i < counts->len; i++) {
        example_string_t known = counts->ptr[i].f0;
        if (known.len == len && memcmp(known.ptr, word, len) == 0) {
            counts->ptr[i].f1++;
            return;
        }
    }
    example_string_dup_n(&counts->ptr[counts->len].f0, (const char *)word, len);
    counts->ptr[counts->len++].f1 = 1;
}

void exports_example_languages_values_count_words(example_string_t *text, example_list_tuple2_string_u32_t *ret) {
    ret->len = 0;
    ret->ptr = allocate((text->len + 1) / 2, sizeof *ret->ptr); /* as many words as there can be */
    size_t start = 0;
    for (size_t i = 0; i <= text->len; i++) {
        if (i < text->len && text->ptr[i] != ' ') continue;
        if (i > start) count_one(ret, text->ptr + start, i - start);
        start = i + 1;
    }
    example_string_free(text);
}
