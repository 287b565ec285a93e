/* The tests of misuse.c; each starts with its own API key. */
#ifndef MISUSE_H
#define MISUSE_H

void null_arguments_are_rejected(void);   /* misuse_null.c */
void getters_accept_null_objects(void);    /* misuse_null_objects.c */
void invalid_texts_are_rejected(void);        /* misuse_arguments.c */
void long_texts_are_rejected_briefly(void);
void values_out_of_range_are_rejected(void);
void indices_out_of_range_return_null(void);
void configs_of_other_versions_are_checked(void); /* misuse_structs.c */
void requests_of_other_versions_are_checked(void);
void wait_options_of_other_versions_are_checked(void);
void invalid_settings_are_refused(void);
void settings_at_the_ends_of_their_range_work(void);
void invalid_requests_are_refused(void);
void a_child_cannot_use_parent_objects(void); /* misuse_fork.c */
void a_token_works_after_a_fork(void);
void a_child_does_not_block_on_locks(void);
void a_child_may_share_its_parents_id(void);
void no_sigpipe_when_a_server_hangs_up(void);       /* misuse_hangup.c */
void a_token_ends_calls_of_eight_threads(void);    /* misuse_threads.c */
void objects_may_be_freed_in_any_order(void);       /* misuse_call_sequence.c */
void results_outlive_their_client(void);

#endif
