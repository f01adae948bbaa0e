/* Answers texts by an exported source, for tests: a length of four bytes and the text in; how many
   ids, the ids, the number of the label and the probabilities out, all in the machine's order. */

#include MODEL

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    /* Not aligned, and no byte more than the header says. */
    unsigned char *memory = malloc(EMBZIP_BUFFER_BYTES + 1), *buffer = memory + 1;
    float probabilities[EMBZIP_LABELS];
    uint32_t length;
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        char *text = malloc(length ? length : 1);
        unsigned long *ids = malloc((4 * (size_t)length + 4) * sizeof *ids);
        int32_t count, label, at;
        if (!text || !ids || fread(text, 1, length, stdin) != length)
            return 1;
        count = embzip_tokenize(text, length, ids, (int)(4 * length + 4), buffer);
        fwrite(&count, sizeof count, 1, stdout);
        for (at = 0; at < count; at++) {
            uint32_t id = (uint32_t)ids[at];
            fwrite(&id, sizeof id, 1, stdout);
        }
        label = embzip_classify(text, length, probabilities, buffer);
        fwrite(&label, sizeof label, 1, stdout);
        fwrite(probabilities, sizeof *probabilities, EMBZIP_LABELS, stdout);
        free(ids);
        free(text);
    }
    free(memory);
    return 0;
}
