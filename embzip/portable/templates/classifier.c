/* @what@. Written by `embzip export --to c`.

   C99 without libraries but math.h. All tables are const, so that they lie in flash.

       cc -std=c99 -O3 -c @stem@.c
       cc -std=c99 -O3 -DEMBZIP_EXAMPLE @stem@.c -lm -o @stem@    reads a text a line

   How a text becomes ids, rows and probabilities is specified in embzip/embz/README.md. */

#include "@header@"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Eight outputs a block: for each input eight numbers, see `numbers_of`. */
struct layer {
    const void *blocks;
    const float *scale, *bias; /* of the outputs */
    unsigned inputs, outputs;
};

struct convolution {
    unsigned head; /* the classifier that it belongs to */
    int window;
    unsigned feature; /* its first one */
    struct layer layer;
};

struct head {
    int form; /* of its kernels */
    uint32_t max_length;
    unsigned columns;
    unsigned convolutions; /* 0 where the dense layer reads the mean */
    unsigned feature; /* its first one */
    struct layer dense;
};

/* ---- the model: what the export wrote -------------------------------------------------------- */

/*@data@*/

/* ---- the text: normalized code points -------------------------------------------------------- */

enum { OTHER, WORD, MARK, JOINER, SPACE };
enum { KIND = 7, MAPPED = 8, JOINS = 16, CASED = 32, IGNORABLE = 64 };
enum { BROKEN = 0xFFFD, HANGUL = 0xAC00, LEADS = 0x1100, VOWELS = 0x1161, TAILS = 0x11A7 };

/* An element of the decomposed text: one of those that the code point at a byte stands for. */
struct place {
    size_t byte;
    unsigned element;
};

/* Where reading stands. A segment is a code point and those behind it that may compose with it or
   change places. Its marks may be many, so they are not copied, but passed over once for each
   combining class. */
struct reader {
    const uint8_t *text;
    size_t size, at;
    size_t segment_end;       /* where the segment ends that is being read; 0 in none */
    struct place next;        /* the next starter of the segment */
    struct place from, until; /* the marks being read, */
    struct place mark;        /* the next one of them, */
    unsigned order;           /* which have this class, */
    uint32_t base;            /* and what they have composed with so far */
    unsigned last;            /* the class of the last mark that did not compose */
    int in_marks;
#if SIGMA
    int cased;     /* whether a cased letter stands before, but for what is ignored */
    int was_cased; /* the same where the segment begins */
#endif
    uint32_t first, end; /* a run of code points, */
    unsigned record;     /* and what is known of them */
    int has_code;        /* whether `code` was read, and not yet taken */
    uint32_t code;
    unsigned kind;
};

/* Return the code point at a place, which moves behind it. */
static uint32_t source(const struct reader *r, size_t *at)
{
    uint32_t lead = r->text[(*at)++], code;
    uint8_t low = 0x80, high = 0xBF;
    int more;
    if (lead < 0x80) {
        return lead;
    } else if (lead >= 0xC2 && lead < 0xE0) {
        more = 1;
        code = lead & 0x1F;
    } else if (lead >= 0xE0 && lead < 0xF0) {
        more = 2;
        code = lead & 0x0F;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead < 0xF5) {
        more = 3;
        code = lead & 0x07;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return BROKEN;
    }
    for (; more > 0; more--) {
        if (*at == r->size || r->text[*at] < low || r->text[*at] > high)
            return BROKEN;
        code = code << 6 | (r->text[(*at)++] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return code;
}

/* Return the number of the record of a code point. */
static unsigned record_of(struct reader *r, uint32_t code)
{
    unsigned low = 0, high = RUN_STEPS, at;
    uint32_t first;
    if (code < 128)
        return ascii_records[code];
    if (code >= r->first && code < r->end)
        return r->record;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (run_first[middle] <= code)
            low = middle;
        else
            high = middle;
    }
    first = run_first[low];
    at = run_at[low];
    for (;;) {
        unsigned record = runs[at] & 31, shift = 0;
        uint32_t count = runs[at++] >> 5;
        if (record == 31)
            record = runs[at++];
        if (count == 0)
            do
                count |= (uint32_t)(runs[at] & 127) << shift, shift += 7;
            while (runs[at++] & 128);
        if (code < first + count) {
            r->first = first;
            r->end = first + count;
            return r->record = record;
        }
        first += count;
    }
}

static unsigned flags_of(struct reader *r, uint32_t code)
{
    return records[2 * record_of(r, code)];
}

static unsigned class_of(struct reader *r, uint32_t code)
{
    return records[2 * record_of(r, code) + 1];
}

/* Two bytes hold a code point; above U+FFFF its number, where surrogates would stand. */
static uint32_t whole(uint16_t code)
{
    return code >= 0xD800 && code < 0xE000 ? far_codes[code - 0xD800] : code;
}

static uint16_t halved(uint32_t code)
{
    unsigned index;
    if (code <= 0xFFFF)
        return (uint16_t)code;
    for (index = 0; index < FAR_CODES; index++)
        if (far_codes[index] == code)
            return (uint16_t)(0xD800 + index);
    return 0xDFFF;
}

#if LOWERCASE
static uint32_t lowered(uint32_t code)
{
    unsigned low = 0, high = LOWER_RUNS;
    uint32_t away;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (lower_first[middle] <= code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return code;
    away = code - lower_first[--low];
    if (lower_span[low] & 0x8000) {
        if (away & 1)
            return code;
        away >>= 1;
    }
    if (away >= (lower_span[low] & 0x7FFFu))
        return code;
    return (code & ~(uint32_t)0xFFFF) | ((code + lower_delta[low]) & 0xFFFF);
}
#else
#define lowered(code) (code)
#endif

/* Return how many of rising numbers are at most the wanted one. */
static unsigned up_to(const uint16_t *rising, unsigned count, unsigned wanted)
{
    unsigned low = 0;
    while (low < count) {
        unsigned middle = (low + count) / 2;
        if (rising[middle] <= wanted)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* Return the number of the pair that a code point decomposes into, or PAIRS. */
static unsigned pair_of(uint32_t code)
{
    const unsigned wanted = halved(code), run = up_to(pair_start, PAIR_RUNS, wanted);
    const unsigned pair = run ? pair_index[run - 1] + wanted - pair_start[run - 1] : PAIRS;
    return pair < pair_index[run] ? pair : PAIRS;
}

/* Return the code point that decomposes into a pair. */
static uint32_t code_of(unsigned pair)
{
    const unsigned run = up_to(pair_index, PAIR_RUNS, pair) - 1;
    return whole((uint16_t)(pair_start[run] + pair - pair_index[run]));
}

/* Replace a code point by the only one that it decomposes into; return whether there is one. */
static int singled(uint32_t *code)
{
    unsigned index, before = 0;
    for (index = 0; index < SINGLE_RUNS && single_first[index] <= *code; index++) {
        if (*code - single_first[index] < single_count[index]) {
            *code = whole(single_code[before + (*code - single_first[index])]);
            return 1;
        }
        before += single_count[index];
    }
    return 0;
}

#if SIGMA
static int is_final(const struct reader *r, size_t behind)
{
    struct reader look = *r;
    if (!r->was_cased)
        return 0;
    while (behind < look.size) {
        unsigned flags = flags_of(&look, source(&look, &behind));
        if (!(flags & IGNORABLE))
            return !(flags & CASED);
    }
    return 1;
}
#endif

/* Write what a code point stands for, decomposed and in lower case, and return how many that are. */
static unsigned mapped(struct reader *r, uint32_t code, size_t behind, uint32_t *out)
{
    uint32_t seconds[4];
    unsigned count = 0, index, pair;
    (void)behind;
    if (!(flags_of(r, code) & MAPPED)) {
        out[0] = code;
        return 1;
    }
    if (code >= HANGUL && code < HANGUL + 11172) {
        uint32_t syllable = code - HANGUL;
        out[0] = LEADS + syllable / 588;
        out[1] = VOWELS + syllable % 588 / 28;
        out[2] = TAILS + syllable % 28;
        return syllable % 28 ? 3 : 2;
    }
#if SIGMA
    if (code == 0x3A3) {
        out[0] = is_final(r, behind) ? 0x3C2 : 0x3C3;
        return 1;
    }
#endif
    for (;;) {
        pair = pair_of(code);
        if (pair < PAIRS && count < 4) {
            seconds[count++] = whole(second_codes[pair_second[pair]]);
            code = whole(pair_first[pair]);
        } else if (!singled(&code)) {
            break;
        }
    }
    out[0] = lowered(code);
    for (index = 0; index < count; index++)
        out[1 + index] = lowered(seconds[count - 1 - index]);
    return count + 1;
}

/* Return what two code points compose into, or 0. */
static uint32_t composed(uint32_t one, uint32_t other)
{
    unsigned low = 0, high = COMPOSING;
    uint16_t first = halved(one), second = halved(other);
    if (other >= VOWELS && other < VOWELS + 21 && one >= LEADS && one < LEADS + 19)
        return HANGUL + ((one - LEADS) * 21 + (other - VOWELS)) * 28;
    if (other > TAILS && other < TAILS + 28 && one >= HANGUL && one < HANGUL + 11172)
        return (one - HANGUL) % 28 ? 0 : one + (other - TAILS);
    while (low < high) {
        unsigned middle = (low + high) / 2, pair = pair_order[middle];
        uint16_t its = second_codes[pair_second[pair]];
        if (its < second || (its == second && pair_first[pair] < first))
            low = middle + 1;
        else
            high = middle;
    }
    if (low < COMPOSING) {
        unsigned pair = pair_order[low];
        if (second_codes[pair_second[pair]] == second && pair_first[pair] == first)
            return code_of(pair);
    }
    return 0;
}

/* Read the element at a place of the segment, which moves behind it; 0 at its end. */
static int element(struct reader *r, struct place *at, uint32_t *code)
{
    uint32_t found[5];
    size_t behind = at->byte;
    unsigned count;
    if (at->byte >= r->segment_end)
        return 0;
    *code = source(r, &behind);
    count = mapped(r, *code, behind, found);
    *code = found[at->element++];
    if (at->element == count) {
        at->byte = behind;
        at->element = 0;
    }
    return 1;
}

static int reached(const struct place *at, const struct place *until)
{
    return at->byte == until->byte && at->element == until->element;
}

/* Read the next mark in the order of classes; 0 behind the last one. */
static int next_mark(struct reader *r, uint32_t *code)
{
    for (;;) {
        unsigned following = 256;
        struct place at = r->from;
        while (!reached(&r->mark, &r->until)) {
            element(r, &r->mark, code);
            if (class_of(r, *code) == r->order)
                return 1;
        }
        while (!reached(&at, &r->until)) {
            uint32_t other;
            unsigned class;
            element(r, &at, &other);
            class = class_of(r, other);
            if (class > r->order && class < following)
                following = class;
        }
        if (following == 256)
            return 0;
        r->order = following;
        r->mark = r->from;
    }
}

/* Begin to read the marks behind a starter. */
static void begin_marks(struct reader *r, uint32_t base)
{
    struct place at = r->next;
    uint32_t code;
    r->from = r->mark = r->next;
    r->order = r->last = 0;
    r->base = base;
    for (;;) {
        r->until = at;
        if (!element(r, &at, &code) || class_of(r, code) == 0)
            break;
    }
    r->next = r->until;
}

/* Read the next mark that does not compose with the base; 0 behind the last one. */
static int next_left(struct reader *r, uint32_t *code)
{
    while (next_mark(r, code)) {
        unsigned class = class_of(r, *code);
        uint32_t made = r->base && r->last < class ? composed(r->base, *code) : 0;
        if (!made) {
            r->last = class;
            return 1;
        }
        r->base = made;
    }
    return 0;
}

/* Read the next code point of the segment; 0 at its end. */
static int in_segment(struct reader *r, uint32_t *code)
{
    if (r->in_marks) {
        if (next_left(r, code))
            return 1;
        r->in_marks = 0;
    }
    {
        struct place at = r->next;
        uint32_t base;
        if (!element(r, &at, &base))
            return 0;
        if (class_of(r, base) != 0) { /* marks without a starter before them */
            begin_marks(r, 0);
            r->in_marks = 1;
            return next_left(r, code);
        }
        r->next = at;
        for (;;) {
            struct reader again;
            uint32_t mark, made;
            int left;
            begin_marks(r, base);
            again = *r;
            left = next_left(r, &mark);
            while (left && next_left(r, &mark))
                ;
            base = r->base;
            at = r->next;
            made = 0;
            if (!left && element(r, &at, &mark))
                made = composed(base, mark);
            if (!made) {
                *r = again; /* the marks once more, to pass on those that are left */
                r->in_marks = 1;
                *code = base;
                return 1;
            }
            base = made;
            r->next = at;
        }
    }
}

#if SIGMA
static void pass(struct reader *r, uint32_t code)
{
    unsigned flags = flags_of(r, code);
    if (!(flags & IGNORABLE))
        r->cased = (flags & CASED) != 0;
}
#else
#define pass(r, code) ((void)0)
#endif

/* Read the next code point of the normalized text; 0 at its end. */
static int normalized(struct reader *r, uint32_t *code)
{
    if (r->segment_end) {
        if (in_segment(r, code))
            return 1;
        r->segment_end = 0;
    }
    for (;;) {
        size_t begin = r->at, end;
        uint32_t first;
        unsigned flags;
        if (r->at == r->size)
            return 0;
        first = source(r, &r->at);
        end = r->at;
        if (first < 128 && (end == r->size || r->text[end] < 128)) {
            pass(r, first);
            *code = LOWERCASE && first >= 'A' && first <= 'Z' ? first + 32 : first;
            return 1;
        }
        flags = flags_of(r, first);
#if SIGMA
        r->was_cased = r->cased;
#endif
        pass(r, first);
        while (end < r->size) {
            size_t behind = end;
            uint32_t other = source(r, &behind);
            if (!(flags_of(r, other) & JOINS))
                break;
            pass(r, other);
            end = behind;
        }
        if (end == r->at && !(flags & MAPPED)) {
            *code = first;
            return 1;
        }
        r->at = r->segment_end = end;
        r->next.byte = begin;
        r->next.element = 0;
        r->in_marks = 0;
        if (in_segment(r, code))
            return 1;
        r->segment_end = 0;
    }
}

/* Make sure that the next code point was read; 0 at the end. */
static int peek(struct reader *r)
{
    if (!r->has_code) {
        if (!normalized(r, &r->code))
            return 0;
        r->kind = flags_of(r, r->code) & KIND;
        r->has_code = 1;
    }
    return 1;
}

/* ---- what is written while a text is read ----------------------------------------------------- */

struct work {
    float rows[ROWS_AT_ONCE * STRIDE]; /* the last rows of the text */
    float kernel[KERNEL_NUMBERS];      /* eight outputs of a convolution */
    float features[FEATURES];          /* of all classifiers: maxima, or sums */
    float inner[INNER];                /* a row before its transformation */
    uint32_t held;                     /* how many rows there are, */
    uint32_t before;                   /* how many were there before them, */
    uint32_t tokens;                   /* and how many are of tokens, once that is known */
    uint16_t length;                   /* of the word */
    uint8_t word[WORD_BYTES];
#if PIECES
    uint32_t pieces[EMBZIP_LONGEST_WORD + 1];
#else
    uint8_t near[WORD_BYTES];
#endif
};

typedef char buffer_is_large_enough[sizeof(struct work) + 8 <= EMBZIP_BUFFER_BYTES ? 1 : -1];

/* ---- tokens: ids ----------------------------------------------------------------------------- */

#if PIECES

static uint32_t piece_of(uint32_t code)
{
    uint32_t low = 0, high = ALPHABET;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (alphabet[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ALPHABET && alphabet[low] == code ? alphabet_ids[low] : UNKNOWN;
}

/* Return the rank of the merge of two pieces, or MERGES. */
static uint32_t rank_of(uint32_t left, uint32_t right)
{
    uint32_t low = 0, high = MERGES;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (merge_left[middle] < left
            || (merge_left[middle] == left && merge_right[middle] < right))
            low = middle + 1;
        else
            high = middle;
    }
    if (low < MERGES && merge_left[low] == left && merge_right[low] == right)
        return merge_rank[low];
    return MERGES;
}

static int separates(uint32_t code)
{
    return code == ' ' || (code >= 9 && code <= 13) || code == 0x2581;
}

/* Read the pieces of the next word; 0 at the end. */
static int next_pieces(struct reader *r, struct work *w)
{
    unsigned count, at;
    while (peek(r) && separates(r->code))
        r->has_code = 0;
    if (!peek(r))
        return 0;
    w->pieces[0] = piece_of(0x2581);
    for (count = 1; peek(r) && !separates(r->code); r->has_code = 0) {
        uint32_t piece = piece_of(r->code);
        if (piece == UNKNOWN && w->pieces[count - 1] == UNKNOWN)
            continue;
        if (count > EMBZIP_LONGEST_WORD)
            return EMBZIP_WORD_TOO_LONG;
        w->pieces[count++] = piece;
    }
    for (;;) {
        uint32_t best = MERGES;
        unsigned place = 0;
        for (at = 0; at + 1 < count; at++) {
            uint32_t rank = rank_of(w->pieces[at], w->pieces[at + 1]);
            if (rank < best) {
                best = rank;
                place = at;
            }
        }
        if (best == MERGES)
            break;
        w->pieces[place] = merge_new[best];
        count--;
        memmove(w->pieces + place + 1, w->pieces + place + 2,
                (count - place - 1) * sizeof *w->pieces);
    }
    return (int)count;
}

#else

/* Put a code point behind the word; one that is longer than all known words need not be whole. */
static void append(struct work *w, uint32_t code)
{
    uint8_t *out = w->word + w->length;
    if (w->length + 4 > WORD_BYTES) {
        w->length = WORD_BYTES;
    } else if (code < 0x80) {
        out[0] = (uint8_t)code;
        w->length += 1;
    } else if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        w->length += 2;
    } else if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (code & 63));
        w->length += 3;
    } else {
        out[0] = (uint8_t)(0xF0 | code >> 18);
        out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
        out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[3] = (uint8_t)(0x80 | (code & 63));
        w->length += 4;
    }
}

static void take(struct reader *r, struct work *w)
{
    append(w, r->code);
    r->has_code = 0;
}

static int peek_kind(struct reader *r, unsigned one, unsigned other)
{
    return peek(r) && (r->kind == one || r->kind == other);
}

/* Read the next word, or the next character that is in none; 0 at the end. */
static int next_word(struct reader *r, struct work *w)
{
    while (peek_kind(r, SPACE, SPACE))
        r->has_code = 0;
    if (!peek(r))
        return 0;
    w->length = 0;
    if (r->kind == MARK) {
        while (peek_kind(r, MARK, MARK))
            take(r, w);
        return 1;
    }
    if (r->kind != WORD) {
        take(r, w);
        return 1;
    }
    for (;;) {
        while (peek_kind(r, WORD, MARK))
            take(r, w);
        if (!peek_kind(r, JOINER, JOINER))
            return 1;
        {
            struct reader here = *r;
            uint16_t length = w->length;
            while (peek_kind(r, JOINER, JOINER))
                take(r, w);
            if (!peek_kind(r, WORD, MARK)) { /* they join nothing */
                *r = here;
                w->length = length;
                return 1;
            }
        }
    }
}

#if STEMS
/* Write a known word, and return its length. */
static unsigned known_word(uint32_t index, uint8_t *word)
{
    uint32_t at = word_starts[index / 16], left = index % 16;
    unsigned length = word_blocks[at++];
    memcpy(word, word_blocks + at, length);
    at += length;
    while (left--) {
        unsigned kept = word_blocks[at] & 15, added = word_blocks[at] >> 4;
        if (word_blocks[at++] == 0xFF) {
            kept = word_blocks[at++];
            added = word_blocks[at++];
        }
        memcpy(word + kept, word_blocks + at, added);
        at += added;
        length = kept + added;
    }
    return length;
}
#endif

/* Find where the word belongs among the known ones; return whether it is one of them. */
static int find_word(const struct work *w, uint32_t *index)
{
    uint32_t low = 0, high = WORD_BLOCKS, at, last;
    unsigned same, length;
    if (WORDS == 0) {
        *index = 0;
        return 0;
    }
    while (low < high) { /* the first block that begins behind the word */
        uint32_t middle = (low + high) / 2;
        const uint8_t *first = word_blocks + word_starts[middle];
        unsigned least = first[0] < w->length ? first[0] : w->length;
        int order = memcmp(first + 1, w->word, least);
        if (order < 0 || (order == 0 && first[0] <= w->length))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) {
        *index = 0;
        return 0;
    }
    *index = (low - 1) * 16;
    last = *index + 16 < WORDS ? *index + 16 : WORDS;
    at = word_starts[low - 1];
    length = word_blocks[at++];
    for (same = 0; same < length && same < w->length; same++)
        if (word_blocks[at + same] != w->word[same])
            break;
    at += length;
    if (same == length && same == w->length)
        return 1;
    /* The word stands behind this one, with which it begins alike in `same` bytes. */
    while (++*index < last) {
        unsigned kept = word_blocks[at] & 15, added = word_blocks[at] >> 4, here = 0;
        if (word_blocks[at++] == 0xFF) {
            kept = word_blocks[at++];
            added = word_blocks[at++];
        }
        if (kept < same)
            return 0;
        if (kept == same) {
            while (here < added && same + here < w->length
                   && word_blocks[at + here] == w->word[same + here])
                here++;
            if (here == added && same + here == w->length)
                return 1;
            if (same + here == w->length
                || (here < added && word_blocks[at + here] > w->word[same + here]))
                return 0;
            same += here;
        }
        at += added;
    }
    return 0;
}

#if STEMS
static unsigned characters(const uint8_t *word, unsigned length)
{
    unsigned count = 0, at;
    for (at = 0; at < length; at++)
        count += (word[at] & 0xC0) != 0x80;
    return count;
}

/* Return whether a known word has the stem of the word. */
static int same_stem(struct work *w, uint32_t index)
{
    unsigned length = known_word(index, w->near), same = 0;
    unsigned mine = characters(w->word, w->length), theirs = characters(w->near, length);
    while (same < length && same < w->length && w->near[same] == w->word[same])
        same++;
    while (same > 0 && ((same < length && (w->near[same] & 0xC0) == 0x80)
                        || (same < w->length && (w->word[same] & 0xC0) == 0x80)))
        same--;
    same = characters(w->word, same);
    return mine >= 5 && theirs >= 5 && same >= 5 && same + 2 >= mine && same + 2 >= theirs;
}
#endif

static uint32_t id_of(struct work *w)
{
    uint32_t index;
    if (w->length == WORD_BYTES)
        return UNKNOWN;
    if (find_word(w, &index))
        return index + 2;
#if STEMS
    if (index > 0 && same_stem(w, index - 1))
        return index - 1 + 2;
    if (index < WORDS && same_stem(w, index))
        return index + 2;
#endif
    return UNKNOWN;
}

#endif

/* ---- rows: what was stored of an id ----------------------------------------------------------- */

#if ROWS_HALF || ROWS_TRELLIS || FORM_FLOAT16
static float half(uint16_t bits)
{
    const uint32_t exponent = bits >> 10 & 31, digits = bits & 1023;
    const uint32_t whole = (exponent + 112) << 23 | digits << 13; /* as a float has them */
    float magnitude = (float)digits * 0x1p-24f;
    if (exponent)
        memcpy(&magnitude, &whole, sizeof magnitude);
    return bits & 0x8000 ? -magnitude : magnitude;
}
#endif

/* Write the numbers of a row as they are stored. */
static void decode_row(uint32_t id, float *out)
{
#if ROWS_FLOAT
    memcpy(out, table_values + (size_t)id * INNER, INNER * sizeof *out);
#elif ROWS_HALF
    unsigned column;
    for (column = 0; column < INNER; column++)
        out[column] = half(table_values[(size_t)id * INNER + column]);
#elif ROWS_LOOKED_UP
    const uint8_t *codes = table_codes + (size_t)id * ROW_BYTES;
    unsigned part, column = 0;
    float scale = ROW_SCALE(id);
    for (part = 0; part < PARTS; part++) {
        unsigned code = codes[part * CODE_BITS / 8] >> (part * CODE_BITS % 8);
        code &= (1u << CODE_BITS) - 1;
#if PART_OF_ONE
        out[column++] = table_points[code] * scale;
#else
        unsigned width = part_widths[part], index;
        for (index = 0; index < width; index++)
            out[column++] = table_points[part_firsts[part] + code * width + index] * scale;
#endif
    }
#else
    /* A trellis: of each active column one coded bit, then the others of all columns. */
    uint32_t at = stream_offsets[id / ROWS_APART], index = id % 64 / ROWS_APART * ROWS_APART;
    const uint8_t *planes = table_planes + (size_t)(id / 64) * PLANES * 8;
    const uint8_t *bits, *row;
    unsigned class = 0, plane, column, active = 0, place, window = 0, back;
    for (;; index++) {
        class = 0;
        for (plane = 0; plane < PLANES; plane++)
            class |= (unsigned)(planes[8 * plane + index / 8] >> index % 8 & 1) << plane;
        if (index == id % 64)
            break;
        at += class_sizes[class];
    }
    bits = class_bits + class * INNER;
    row = table_stream + at;
    for (column = 0; column < INNER; column++)
        active += bits[column] != 0;
    for (back = MEMORY; active && back >= 1; back--) {
        place = active * MEMORY - back;
        place %= active;
        window = window << 1 | (row[place / 8] >> place % 8 & 1);
    }
    place = active;
    for (column = 0, index = 0; column < INNER; column++) {
        unsigned width = bits[column], value, two;
        out[column] = class_mean[class * INNER + column];
        if (!width)
            continue;
        window = (window << 1 | (row[index / 8] >> index % 8 & 1)) & ((2u << MEMORY) - 1);
        index++;
        value = first_value[width] + (window << (width - 1));
        two = row[place / 8] | (unsigned)row[place / 8 + 1] << 8;
        value += two >> place % 8 & ((1u << (width - 1)) - 1);
        place += width - 1;
        out[column] += half(trellis_values[value]) * class_deviation[class * INNER + column];
    }
#endif
}

/* Write the columns of a token's row. */
static void row_of(struct work *w, uint32_t id, float *out)
{
#if TRANSFORMED
    unsigned from, to;
    decode_row(id, w->inner);
    memcpy(out, table_offset, DIM * sizeof *out);
    for (from = 0; from < INNER; from++)
        for (to = 0; to < DIM; to++)
            out[to] += w->inner[from] * table_matrix[from * DIM + to];
#else
    (void)w;
    decode_row(id, out);
#endif
    if (STRIDE > DIM)
        out[DIM] = 1;
}

/* ---- encoders -------------------------------------------------------------------------------- */

enum { WIDTH = 8, TOGETHER = 4 };

/* Write the eight numbers of one input of a block, without their scales. */
static void numbers_of(int form, const void *blocks, size_t number, float *out)
{
    int index;
    (void)form;
#if FORM_INT4
    if (FORM(form, INT4)) { /* two numbers a byte, which stand in a table: faster than to compute */
        const uint8_t *codes = (const uint8_t *)blocks + number * 4;
        for (index = 0; index < 4; index++)
            memcpy(out + 2 * index, level_pairs + 2 * codes[index], 2 * sizeof *out);
    }
#endif
#if FORM_INT2
    if (FORM(form, INT2)) {
        const uint8_t *codes = (const uint8_t *)blocks + number * 2;
        for (index = 0; index < WIDTH; index++)
            out[index] = (float)(codes[index / 4] >> (index % 4 * 2) & 3) - 1.5f;
    }
#endif
#if FORM_INT8
    if (FORM(form, INT8)) {
        const uint8_t *codes = (const uint8_t *)blocks + number * WIDTH;
        for (index = 0; index < WIDTH; index++)
            out[index] = (float)((int)codes[index] - 127);
    }
#endif
#if FORM_FLOAT16
    if (FORM(form, FLOAT16)) {
        const uint16_t *halves = (const uint16_t *)blocks + number * WIDTH;
        for (index = 0; index < WIDTH; index++)
            out[index] = half(halves[index]);
    }
#endif
#if FORM_FLOAT32
    if (FORM(form, FLOAT32)) {
        const float *numbers = (const float *)blocks + number * WIDTH;
        for (index = 0; index < WIDTH; index++)
            out[index] = numbers[index];
    }
#endif
}

#if CONVOLUTIONS
#define GREATER(one, other) ((one) > (other) ? (one) : (other))

/* Raise maxima (8) to the products of a kernel and one window of rows. */
static void raise_one(const float *rows, const float *kernel, int window, unsigned columns, float *most)
{
    float sum[WIDTH] = {0};
    unsigned column;
    int tap, index;
    for (tap = 0; tap < window; tap++, rows += STRIDE)
        for (column = 0; column < columns; column++, kernel += WIDTH)
            for (index = 0; index < WIDTH; index++)
                sum[index] += rows[column] * kernel[index];
    for (index = 0; index < WIDTH; index++)
        most[index] = GREATER(sum[index], most[index]);
}

/* Four numbers at once: plain loops are turned into instructions that do that by luck only. A factor
   becomes four: where a float counts as a double (FLT_EVAL_METHOD), it would be too wide alone. */
#ifdef __GNUC__
typedef float quad __attribute__((vector_size(16)));
#define ADD(sum, factor, numbers) ((sum) += (quad){factor, factor, factor, factor} * (numbers))
#else
typedef struct {
    float at[4];
} quad;
#define ADD(sum, factor, numbers) \
    ((sum).at[0] += (factor) * (numbers).at[0], (sum).at[1] += (factor) * (numbers).at[1], \
     (sum).at[2] += (factor) * (numbers).at[2], (sum).at[3] += (factor) * (numbers).at[3])
#endif

/* Do the same for four windows, each one row behind the one before. */
static void raise_four(const float *rows, const float *kernel, int window, unsigned columns, float *most)
{
    quad sums[2 * TOGETHER], low, high;
    float found[WIDTH * TOGETHER];
    unsigned column;
    int tap, index;
    memset(sums, 0, sizeof sums);
    for (tap = 0; tap < window; tap++, rows += STRIDE)
        for (column = 0; column < columns; column++, kernel += WIDTH) {
            const float one = rows[column], two = rows[STRIDE + column];
            const float three = rows[2 * STRIDE + column], four = rows[3 * STRIDE + column];
            memcpy(&low, kernel, sizeof low);
            memcpy(&high, kernel + 4, sizeof high);
            ADD(sums[0], one, low);
            ADD(sums[1], one, high);
            ADD(sums[2], two, low);
            ADD(sums[3], two, high);
            ADD(sums[4], three, low);
            ADD(sums[5], three, high);
            ADD(sums[6], four, low);
            ADD(sums[7], four, high);
        }
    memcpy(found, sums, sizeof found);
    for (index = 0; index < WIDTH; index++) {
        const float left = GREATER(found[index], found[WIDTH + index]);
        const float right = GREATER(found[2 * WIDTH + index], found[3 * WIDTH + index]);
        const float best = GREATER(left, right);
        most[index] = GREATER(best, most[index]);
    }
}

/* Processors that are newer than what the compiler assumes do it for up to eight windows. */
#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define WIDER (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define NEWER __attribute__((target("avx2,fma")))

/* `together`, 5 to 8, is a number where this is called; compilers keep no array in registers. */
NEWER __attribute__((always_inline)) static inline void
raise_some(const float *rows, const float *kernel, int window, unsigned columns, float *most,
           const int together)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    unsigned column;
    int tap;
#define SUM(sum, place) \
    if (together > (place)) \
    sum = _mm256_fmadd_ps(_mm256_broadcast_ss(rows + (place)*STRIDE + column), numbers, sum)
    for (tap = 0; tap < window; tap++, rows += STRIDE)
        for (column = 0; column < columns; column++, kernel += WIDTH) {
            const __m256 numbers = _mm256_loadu_ps(kernel);
            SUM(s0, 0);
            SUM(s1, 1);
            SUM(s2, 2);
            SUM(s3, 3);
            SUM(s4, 4);
            SUM(s5, 5);
            SUM(s6, 6);
            SUM(s7, 7);
        }
    s0 = _mm256_max_ps(_mm256_max_ps(s0, s1), _mm256_max_ps(s2, s3));
    s0 = _mm256_max_ps(_mm256_max_ps(s0, s4), _mm256_loadu_ps(most));
    s0 = together > 5 ? _mm256_max_ps(s0, s5) : s0;
    s0 = together > 6 ? _mm256_max_ps(s0, s6) : s0;
    s0 = together > 7 ? _mm256_max_ps(s0, s7) : s0;
    _mm256_storeu_ps(most, s0);
}

NEWER static void raise_wide(const float *rows, const float *kernel, int window, unsigned columns,
                             float *most, int together)
{
    if (together == 8)
        raise_some(rows, kernel, window, columns, most, 8);
    else if (together == 7)
        raise_some(rows, kernel, window, columns, most, 7);
    else if (together == 6)
        raise_some(rows, kernel, window, columns, most, 6);
    else
        raise_some(rows, kernel, window, columns, most, 5);
}

#if FORM_INT4
NEWER static void spread_wide(const uint8_t *codes, unsigned inputs, float *out)
{
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    for (; inputs > 0; inputs--, codes += 4, out += WIDTH) {
        __m256i eight;
        int32_t bytes;
        memcpy(&bytes, codes, sizeof bytes);
        eight = _mm256_srlv_epi32(_mm256_set1_epi32(bytes), shifts);
        eight = _mm256_and_si256(eight, _mm256_set1_epi32(15));
        _mm256_storeu_ps(out, _mm256_sub_ps(_mm256_cvtepi32_ps(eight), _mm256_set1_ps(7.5f)));
    }
}
#endif
#else
#define WIDER 0
#define raise_wide(rows, kernel, window, columns, most, together) ((void)0)
#define spread_wide(codes, inputs, out) ((void)0)
#endif

/* Write the numbers of all inputs of a block. */
static void spread(int form, const struct layer *l, unsigned block, float *out)
{
    const size_t first = (size_t)block * l->inputs;
    unsigned number;
#if FORM_INT4
    if (WIDER && FORM(form, INT4)) {
        spread_wide((const uint8_t *)l->blocks + first * 4, l->inputs, out);
        return;
    }
#endif
    for (number = 0; number < l->inputs; number++)
        numbers_of(form, l->blocks, first + number, out + number * WIDTH);
}

/* Let the convolutions see the rows that are held. A window may be seen twice: maxima stay. */
static void convolve(struct work *w)
{
    uint32_t kept = WIDEST - 1 < w->held ? WIDEST - 1 : w->held;
    unsigned index, block;
    for (index = 0; index < CONVOLUTIONS; index++) {
        const struct convolution *c = convolutions + index;
        const struct head *h = heads + c->head;
        uint32_t length = w->held, left = h->max_length - w->before;
        int places, at, wide, together = TOGETHER;
        if (h->max_length <= w->before)
            continue;
        places = (int)(length < left ? length : left) - c->window + 1;
        if (places > 0 && (uint32_t)places > w->tokens - w->before)
            places = (int)(w->tokens - w->before); /* windows of padding alone are known */
        if (places < 1)
            continue;
        wide = WIDER && places > TOGETHER;
        if (wide) { /* as many in each group */
            const int groups = (places + 7) / 8;
            together = (places + groups - 1) / groups;
        }
        for (block = 0; block * WIDTH < c->layer.outputs; block++) {
            float *most = w->features + c->feature + block * WIDTH;
            spread(h->form, &c->layer, block, w->kernel);
            if (places < TOGETHER) {
                for (at = 0; at < places; at++)
                    raise_one(w->rows + at * STRIDE, w->kernel, c->window, h->columns, most);
                continue;
            }
            for (at = 0; at < places; at += together) {
                const int from = at + together <= places ? at : places - together;
                const float *rows = w->rows + from * STRIDE;
                if (wide)
                    raise_wide(rows, w->kernel, c->window, h->columns, most, together);
                else
                    raise_four(rows, w->kernel, c->window, h->columns, most);
            }
        }
    }
    memmove(w->rows, w->rows + (w->held - kept) * STRIDE, kept * STRIDE * sizeof *w->rows);
    w->before += w->held - kept;
    w->held = kept;
}
#endif

/* Keep the row behind those that are held. */
static void keep_row(struct work *w)
{
#if CONVOLUTIONS
    if (++w->held == ROWS_AT_ONCE)
        convolve(w);
#else
    (void)w;
#endif
}

#if MEANS
static void add_to_means(struct work *w, const float *row, uint32_t count)
{
    unsigned index, column;
    for (index = 0; index < EMBZIP_CLASSIFIERS; index++) {
        const struct head *h = heads + index;
        if (h->convolutions || count >= h->max_length)
            continue;
        for (column = 0; column < h->columns; column++)
            w->features[h->feature + column] += row[column];
    }
}
#endif

/* Turn maxima and sums into features, and those into probabilities. */
static void finish(struct work *w, uint32_t count, float *probabilities)
{
    unsigned index, number, block, at;
    (void)count;
#if CONVOLUTIONS
    for (index = 0; index < CONVOLUTIONS; index++) {
        const struct layer *l = &convolutions[index].layer;
        float *features = w->features + convolutions[index].feature;
        const uint32_t most = heads[convolutions[index].head].max_length;
        const int padded = count + (uint32_t)convolutions[index].window <= most; /* a whole window */
        for (number = 0; number < l->outputs; number++) {
            const float best = padded && features[number] < 0 ? 0 : features[number];
            const float found = best * l->scale[number] + l->bias[number];
            features[number] = found > 0 ? found : 0;
        }
        for (; number % WIDTH; number++)
            features[number] = 0;
    }
#endif
    for (index = 0; index < EMBZIP_CLASSIFIERS; index++) {
        const struct head *h = heads + index;
        const struct layer *l = &h->dense;
        float *answers = probabilities + embzip_classifiers[index].first_label;
        float most = -HUGE_VALF, sum = 0;
#if MEANS
        const uint32_t read = count < h->max_length ? count : h->max_length;
        for (number = 0; !h->convolutions && read && number < h->columns; number++)
            w->features[h->feature + number] /= (float)read;
#endif
        for (block = 0; block * WIDTH < l->outputs; block++) {
            float sums[WIDTH] = {0}, numbers[WIDTH];
            for (number = 0; number < l->inputs; number++) {
                const float feature = w->features[h->feature + number];
                numbers_of(h->form, l->blocks, (size_t)block * l->inputs + number, numbers);
                for (at = 0; at < WIDTH; at++)
                    sums[at] += feature * numbers[at];
            }
            for (at = 0; at < WIDTH && block * WIDTH + at < l->outputs; at++) {
                const unsigned label = block * WIDTH + at;
                answers[label] = sums[at] * l->scale[label] + l->bias[label];
                most = answers[label] > most ? answers[label] : most;
            }
        }
        for (number = 0; number < l->outputs; number++) {
            answers[number] = expf(answers[number] - most);
            sum += answers[number];
        }
        for (number = 0; number < l->outputs; number++)
            answers[number] /= sum;
    }
}

/* ---- what the header declares ---------------------------------------------------------------- */

static struct work *aligned(void *buffer)
{
    uintptr_t address = (uintptr_t)buffer;
    return (struct work *)((address + 7) & ~(uintptr_t)7);
}

static void open_text(struct reader *r, const char *utf8, size_t n)
{
    memset(r, 0, sizeof *r);
    r->text = (const uint8_t *)utf8;
    r->size = n;
}

/* Read the ids of the next word; 0 at the end, or an error. */
static int next_ids(struct reader *r, struct work *w, uint32_t *id)
{
#if PIECES
    (void)id;
    return next_pieces(r, w);
#else
    if (!next_word(r, w))
        return 0;
    *id = id_of(w);
    return 1;
#endif
}

int embzip_tokenize(const char *utf8, size_t n, unsigned long *ids, int most, void *buffer)
{
    struct reader reader;
    struct work *w = aligned(buffer);
    uint32_t id = 0;
    int count = 0, found, index;
    if (!buffer || (!ids && most > 0) || (!utf8 && n))
        return EMBZIP_NO_BUFFER;
    open_text(&reader, utf8, n);
    while ((found = next_ids(&reader, w, &id)) > 0)
        for (index = 0; index < found; index++, count++)
            if (count < most)
                ids[count] = ID_OF(w, index, id);
    return found < 0 ? found : count;
}

int embzip_most_probable(int classifier, const float *probabilities)
{
    const struct embzip_classifier *c = embzip_classifiers + classifier;
    int best = c->first_label, label;
    for (label = best + 1; label < c->first_label + c->labels; label++)
        if (probabilities[label] > probabilities[best])
            best = label;
    return best;
}

int embzip_classify(const char *utf8, size_t n, float *probabilities, void *buffer)
{
    struct reader reader;
    struct work *w = aligned(buffer);
    uint32_t count = 0, id = 0;
    unsigned index;
    int found = 0, each;
    if (!buffer || !probabilities || (!utf8 && n))
        return EMBZIP_NO_BUFFER;
    w->held = 0;
    w->before = 0;
    w->tokens = 0xFFFFFFFF;
    for (index = 0; index < FEATURES; index++)
        w->features[index] = FIRST_FEATURE;
#if MEANS
    for (index = 0; index < EMBZIP_CLASSIFIERS; index++)
        if (!heads[index].convolutions)
            memset(w->features + heads[index].feature, 0, heads[index].columns * sizeof(float));
#endif
    open_text(&reader, utf8, n);
    while (count < LONGEST_TEXT && (found = next_ids(&reader, w, &id)) > 0) {
        for (each = 0; each < found && count < LONGEST_TEXT; each++, count++) {
            float *row = w->rows + w->held * STRIDE;
            row_of(w, ID_OF(w, each, id), row);
#if MEANS
            add_to_means(w, row, count);
#endif
            keep_row(w);
        }
    }
    if (found < 0)
        return found;
#if CONVOLUTIONS
    /* Padding, as far as windows that begin at a token reach into it. */
    for (index = 0; index + 1 < WIDEST && count + index < LONGEST_TEXT; index++) {
        memset(w->rows + w->held * STRIDE, 0, STRIDE * sizeof *w->rows);
        keep_row(w);
    }
    w->tokens = count;
    convolve(w);
#endif
    finish(w, count, probabilities);
    return embzip_most_probable(0, probabilities);
}

#ifdef EMBZIP_EXAMPLE

#include <stdio.h>

int main(void)
{
    static unsigned char buffer[EMBZIP_BUFFER_BYTES];
    static char line[1 << 16];
    float probabilities[EMBZIP_LABELS];
    while (fgets(line, sizeof line, stdin)) {
        int label = embzip_classify(line, strcspn(line, "\r\n"), probabilities, buffer), which;
        if (label < 0) {
            fprintf(stderr, "error %d: %s", label, line);
            continue;
        }
        for (which = 0; which < EMBZIP_CLASSIFIERS; which++) {
            label = embzip_most_probable(which, probabilities);
            printf("%s\t%.4f%c", embzip_labels[label], (double)probabilities[label],
                   which + 1 < EMBZIP_CLASSIFIERS ? '\t' : '\n');
        }
    }
    return 0;
}

#endif
