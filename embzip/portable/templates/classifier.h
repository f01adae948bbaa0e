/* What classifies texts: @what@. Written by `embzip export --to c`.

   A text is UTF-8 of any length; what is no UTF-8 in it is read as U+FFFD, as browsers do. Nothing is
   allocated, nothing is written but the buffer and the probabilities, and no state is kept: threads
   need a buffer each. */

#ifndef @guard@
#define @guard@

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the buffer that a caller gives, of any alignment. */
#define EMBZIP_BUFFER_BYTES @buffer_bytes@

/* Classifiers, and the labels of all of them. */
#define EMBZIP_CLASSIFIERS @classifiers@
#define EMBZIP_LABELS @labels@

/* Errors: no buffer, probabilities or text was given; a word between white space has more than
   EMBZIP_LONGEST_WORD characters (with tokens that are pieces of words only). */
#define EMBZIP_NO_BUFFER (-1)
#define EMBZIP_WORD_TOO_LONG (-2)
#define EMBZIP_LONGEST_WORD @longest_word@

/* A classifier: its name, and which of the labels are its own. */
struct embzip_classifier {
    const char *name;
    int first_label;
    int labels;
};

extern const struct embzip_classifier embzip_classifiers[EMBZIP_CLASSIFIERS];
extern const char *const embzip_labels[EMBZIP_LABELS];

/* Write the EMBZIP_LABELS probabilities of a text of n bytes, those of each classifier add up to 1,
   and return the number of the first classifier's most probable label, or one of the errors. */
int embzip_classify(const char *utf8, size_t n, float *probabilities, void *buffer);

/* Return the number of the most probable label of a classifier. */
int embzip_most_probable(int classifier, const float *probabilities);

/* Write the ids of a text's tokens, at most `most`, and return how many there are, or an error. */
int embzip_tokenize(const char *utf8, size_t n, unsigned long *ids, int most, void *buffer);

#ifdef __cplusplus
}
#endif

#endif
