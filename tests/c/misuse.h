/* The cases of misuse; each begins on a key of its own. */
#ifndef MISUSE_H
#define MISUSE_H

void null_arguments_are_refused(void);   /* misuse_null.c */
void null_objects_have_nothing(void);    /* misuse_null_objects.c */
void bad_texts_are_refused(void);        /* misuse_arguments.c */
void long_texts_are_borne(void);
void values_out_of_range(void);
void indices_behind_the_end(void);
void a_forked_child_makes_its_own(void); /* misuse_fork.c */
void a_token_whose_process_forked(void);
void forks_while_a_thread_holds_a_lock(void);
void a_forked_child_with_the_id_of_its_parent(void);
void a_server_that_hangs_up(void);       /* misuse_hangup.c */
void eight_threads_and_a_token(void);    /* misuse_threads.c */
void every_order_of_freeing(void);       /* misuse_order.c */
void what_a_client_made_outlives_it(void);

#endif
