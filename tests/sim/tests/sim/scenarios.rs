//! The list of all scenarios. What is made of each is up to whoever asks for the list.

/// Hands the names of all scenarios to a macro.
macro_rules! for_every_scenario {
    ($make:ident) => {
        $make! {
            a_control_group_is_asked_for_and_not_sent,
            a_customer_enters_waits_and_is_greeted,
            a_goal_interrupts_a_wait_and_wins_over_an_exit,
            a_late_trait_does_not_undo_a_newer_one,
            a_merge_keeps_the_survivors_run_and_what_both_did,
            a_merge_tells_segments_after_runs,
            a_new_definition_leaves_runs_under_way_alone,
            a_new_segment_takes_customers_in_with_their_next_event,
            a_receipt_sets_another_journey_in_motion,
            an_event_before_the_run_is_not_what_it_waits_for,
            an_event_that_is_waited_for_decides_the_way,
            an_event_that_joins_two_is_decided_with_what_both_did,
            an_event_that_knows_two_customers_joins_them,
            an_exit_rule_interrupts_a_long_wait,
            branches_look_at_traits_segments_and_the_first_event,
            consent_that_was_withdrawn_suppresses,
            lapsing_by_time_alone_starts_a_journey,
            late_events_count_when_they_happened,
            outside_is_a_place_in_a_map,
            paying_one_order_ends_the_run_of_that_order,
            reentry_is_a_policy,
            the_same_event_twice_counts_once,
            the_third_message_in_a_week_is_held_back,
            there_are_four_ways_to_leave_the_happy_path,
            what_comes_too_late_to_send_has_expired,
        }
    };
}

pub(crate) use for_every_scenario;
