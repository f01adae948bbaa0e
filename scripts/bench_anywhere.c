/* Times one text after another: a text a line in, microseconds a text out, the median of each. */

#define _POSIX_C_SOURCE 199309L

#include MODEL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1 << 12, LONGEST = 1 << 16, ROUNDS = 21 };

static int rising(const void *one, const void *other)
{
    const double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int main(void)
{
    static unsigned char buffer[EMBZIP_BUFFER_BYTES];
    static char line[LONGEST], *texts[MOST];
    static double taken[MOST][ROUNDS], each[MOST];
    float probabilities[EMBZIP_LABELS];
    int count = 0, round, at;
    while (count < MOST && fgets(line, sizeof line, stdin)) {
        size_t length = strcspn(line, "\n");
        texts[count] = malloc(length + 1);
        memcpy(texts[count], line, length);
        texts[count++][length] = 0;
    }
    for (round = 0; round < ROUNDS; round++)
        for (at = 0; at < count; at++) {
            struct timespec begin, end;
            clock_gettime(CLOCK_MONOTONIC, &begin);
            embzip_classify(texts[at], strlen(texts[at]), probabilities, buffer);
            clock_gettime(CLOCK_MONOTONIC, &end);
            taken[at][round] = 1e6 * (double)(end.tv_sec - begin.tv_sec)
                               + 1e-3 * (double)(end.tv_nsec - begin.tv_nsec);
        }
    for (at = 0; at < count; at++) {
        qsort(taken[at], ROUNDS, sizeof **taken, rising);
        each[at] = taken[at][ROUNDS / 2];
    }
    qsort(each, (size_t)count, sizeof *each, rising);
    printf("%f\n", count ? each[count / 2] : 0.0);
    return 0;
}
