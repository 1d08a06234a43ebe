from evals.gate.comparison import compare
from tests.evals.gate.arms import sample


def test_subjects_stand_beside_the_whole():
    before = [sample(i, subject="Color" if i % 2 else "Digit") for i in range(40)]
    after = [*before[:-1], sample(39, subject="Color", reply="B", score=0.0)]
    found = compare(before, after, 0.01)
    assert [row.subject for row in found.subjects] == ["Color", "Digit"]
    assert [row.lost for row in found.subjects] == [1, 0]
    assert (found.overall.count, found.overall.identical) == (40, 39 / 40)


def test_a_flipped_question_keeps_both_replies():
    before, after = [sample(0), sample(1)], [sample(0, reply="B", score=0.0), sample(1)]
    (flipped,) = compare(before, after, 0.01).flipped
    assert (flipped.baseline.reply, flipped.candidate.reply) == ("A", "B")


def test_another_wording_of_a_right_answer_differs_without_a_flip():
    found = compare([sample(0), sample(1)], [sample(0, reply="A."), sample(1)], 0.01)
    assert (len(found.flipped), found.count_differing) == (0, 1)


def test_replies_without_a_readable_choice_are_counted_for_each_arm():
    before, after = [sample(0), sample(1)], [sample(0, unreadable=True, score=0.0), sample(1)]
    assert compare(before, after, 0.01).overall.unreadable == {"baseline": 0, "candidate": 1}


def test_samples_pair_by_position_whatever_their_order():
    before = [sample(i, reply=str(i)) for i in range(4)]
    assert compare(before, before[::-1], 0.01).overall.identical == 1
