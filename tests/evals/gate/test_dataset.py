import pyarrow
import pyarrow.parquet
import pytest

from evals.gate.dataset import MMMU_COLUMNS, BadDataset, check


def write(file, columns, count):
    pyarrow.parquet.write_table(pyarrow.table({name: ["x"] * count for name in columns}), file)
    return file


def test_the_questions_of_all_files_are_counted(tmp_path):
    write(tmp_path / "a.parquet", MMMU_COLUMNS, 3)
    write(tmp_path / "b.parquet", MMMU_COLUMNS, 4)
    assert check(tmp_path, "mmmu_val") == 7
    assert check(tmp_path / "a.parquet", "mmmu_val") == 3


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(BadDataset, match=r"no \*\.parquet in"):
        check(tmp_path, "mmmu_val")


def test_a_file_of_something_else_is_refused(tmp_path):
    file = tmp_path / "a.parquet"
    file.write_text("no Parquet")
    with pytest.raises(BadDataset, match="is no Parquet file"):
        check(file, "mmmu_val")


def test_missing_columns_are_named_beside_those_there_are(tmp_path):
    file = write(tmp_path / "a.parquet", ["id", "question"], 3)
    with pytest.raises(BadDataset, match=r"has no answer, image_1, .* found id, question"):
        check(file, "mmmu_val")
    assert check(file, "ai2d") == 3


def test_files_without_a_question_are_refused(tmp_path):
    with pytest.raises(BadDataset, match="holds no question"):
        check(write(tmp_path / "a.parquet", MMMU_COLUMNS, 0), "mmmu_val")


def test_a_subject_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    rows = {name: ["x"] * 3 for name in MMMU_COLUMNS}
    rows["id"] = ["validation_Art_1", "validation_Art_Theory_12", "validation_Music_2"]
    file = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(rows), file)
    assert check(file, "mmmu_val", ["Art_Theory"]) == 3
    with pytest.raises(BadDataset, match=r"no subject Math; found Art, Art_Theory, Music"):
        check(file, "mmmu_val", ["Art", "Math"])
