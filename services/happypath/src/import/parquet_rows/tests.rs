//! Files as writers write them, and what is read of each.

mod groups;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};

use super::*;
use crate::import::Reading;

/// The values of a column, with its definition and repetition levels.
enum Values {
    Boolean(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<[u32; 3]>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<&'static str>),
    Fixed(Vec<&'static [u8]>),
}

type Column = (Values, Vec<i16>, Vec<i16>);

/// Writes a file of row groups that have the same columns.
fn write(path: &Path, schema: &str, columns: &[Column], groups: usize, codec: Compression) {
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_data_page_row_count_limit(3)
        .set_write_batch_size(2)
        .build();
    let file = File::create(path).expect("a file");
    let mut writer =
        SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("a writer");
    for _ in 0..groups {
        let mut group = writer.next_row_group().expect("a group");
        for (values, definitions, repetitions) in columns {
            let mut column = group.next_column().expect("written").expect("a column");
            // Columns that are always there have no levels.
            let [definitions, repetitions] = [definitions, repetitions]
                .map(|levels| (!levels.is_empty()).then_some(&levels[..]));

            macro_rules! batch {
                ($type:ty, $values:expr) => {
                    column
                        .typed::<$type>()
                        .write_batch($values, definitions, repetitions)
                };
            }
            use parquet::data_type as typed;
            let written = match values {
                Values::Boolean(values) => batch!(typed::BoolType, values),
                Values::Int32(values) => batch!(typed::Int32Type, values),
                Values::Int64(values) => batch!(typed::Int64Type, values),
                Values::Float(values) => batch!(typed::FloatType, values),
                Values::Double(values) => batch!(typed::DoubleType, values),
                Values::Int96(values) => {
                    let values: Vec<Int96> = values
                        .iter()
                        .map(|value| Int96::from(value.to_vec()))
                        .collect();
                    batch!(typed::Int96Type, &values)
                }
                Values::Text(values) => {
                    let values: Vec<ByteArray> =
                        values.iter().map(|value| ByteArray::from(*value)).collect();
                    batch!(typed::ByteArrayType, &values)
                }
                Values::Fixed(values) => {
                    let values: Vec<FixedLenByteArray> = values
                        .iter()
                        .map(|value| FixedLenByteArray::from(value.to_vec()))
                        .collect();
                    batch!(typed::FixedLenByteArrayType, &values)
                }
            };
            written.expect("written");
            column.close().expect("written");
        }
        group.close().expect("written");
    }
    writer.close().expect("written");
}

/// Writes a file and reads it.
fn read(
    schema: &str,
    columns: &[Column],
    groups: usize,
    codec: Compression,
) -> Vec<Result<Line, BadLine>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.bin");
    write(&path, schema, columns, groups, codec);
    let file = ImportFile::open(&path, None, Reading::default()).expect("a form");
    let mapping = Mapping {
        event_name: Some("told".to_owned()),
        ..Mapping::default()
    };
    ParquetRows::open(&file, &mapping)
        .unwrap_or_else(|bad| panic!("{bad:?}"))
        .collect()
}

fn required(values: Values) -> Column {
    (values, Vec::new(), Vec::new())
}

fn json(line: &Line) -> (String, String) {
    let properties = match &line.event.properties_form {
        Some(PropertiesForm::PropertiesJson(json)) => json.clone(),
        _ => String::new(),
    };
    let traits = match &line.event.traits_form {
        Some(TraitsForm::TraitsJson(json)) => json.clone(),
        _ => String::new(),
    };
    (properties, traits)
}

const WHO: &str = "required int64 time (TIMESTAMP(MILLIS,true)); required binary user_id (STRING);";

fn who(rows: i64) -> Vec<Column> {
    let times = (0..rows).map(|row| 1_714_557_600_000 + row);
    let names = (0..rows).map(|_| "u1").collect();
    vec![
        required(Values::Int64(times.collect())),
        required(Values::Text(names)),
    ]
}

#[test]
fn values_of_each_type_are_exact() {
    let schema = format!(
        "message m {{ {WHO}
            required boolean is_new;
            required int32 small (INTEGER(8,true));
            required int64 large (INTEGER(64,false));
            required int64 price (DECIMAL(18,2));
            required fixed_len_byte_array(16) balance (DECIMAL(38,3));
            required float ratio;
            required double mean;
            required int32 day (DATE);
            required int64 local (TIMESTAMP(MICROS,false));
            required int96 old;
            required int64 nanos (TIMESTAMP(NANOS,true));
            required int32 at (TIME(MILLIS,true));
            required binary bytes;
            required binary json (JSON);
            required fixed_len_byte_array(16) id (UUID);
        }}"
    );
    let balance: &[u8] = &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0x85,
    ];
    let mut columns = who(1);
    columns.extend(
        [
            Values::Boolean(vec![true]),
            Values::Int32(vec![-8]),
            Values::Int64(vec![-1]),
            Values::Int64(vec![1990]),
            Values::Fixed(vec![balance]),
            Values::Float(vec![0.1]),
            Values::Double(vec![1e-7]),
            Values::Int32(vec![19_844]),
            Values::Int64(vec![1_714_557_600_123_456]),
            Values::Int96(vec![[1, 0, 2_440_589]]),
            Values::Int64(vec![1_714_557_600_123_456_789]),
            Values::Int32(vec![36_000_000]),
            Values::Text(vec!["plain"]),
            Values::Text(vec!["{\"a\":[1.10]}"]),
            Values::Fixed(vec![b"0123456789abcdef"]),
        ]
        .map(required),
    );
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let lines = read(&schema, &columns, 1, codec);
        let [Ok(line)] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert_eq!((line.line, line.event.name.as_str()), (1, "told"));
        let time = line.event.time.expect("a time");
        assert_eq!((time.seconds, time.nanos), (1_714_557_600, 0));
        assert_eq!(
            json(line).0,
            "{\"at\":\"10:00:00\",\"balance\":-0.123,\"bytes\":\"plain\",\"day\":\"2024-05-01\",\
             \"id\":\"30313233-3435-3637-3839-616263646566\",\"is_new\":true,\"json\":{\"a\":[1.10]},\
             \"large\":18446744073709551615,\"local\":\"2024-05-01T10:00:00.123456\",\"mean\":1e-7,\
             \"nanos\":\"2024-05-01T10:00:00.123456789Z\",\"old\":\"1970-01-02T00:00:00.000000001Z\",\
             \"price\":19.90,\"ratio\":0.1,\"small\":-8}"
        );
    }
}

#[test]
fn lists_maps_and_structs_are_objects_and_lists() {
    let schema = format!(
        "message m {{ {WHO}
            optional group tags (LIST) {{ repeated group list {{ optional binary element (STRING); }} }}
            repeated int32 bare;
            optional group by (MAP) {{ repeated group key_value {{
                required int32 key; optional double value; }} }}
            optional group properties {{ optional binary city (STRING);
                optional group items (LIST) {{ repeated group list {{ required group element {{
                    required binary sku (STRING); optional int32 count; }} }} }} }}
        }}"
    );
    // Five rows: all there, empty lists, nothing, nulls inside, all there again.
    let mut columns = who(5);
    columns.extend([
        (
            Values::Text(vec!["a", "b", "c"]),
            vec![3, 3, 1, 0, 2, 3],
            vec![0, 1, 0, 0, 0, 0],
        ),
        (
            Values::Int32(vec![1, 2, 3, 4]),
            vec![1, 1, 0, 0, 1, 1],
            vec![0, 1, 0, 0, 0, 0],
        ),
        (
            Values::Int32(vec![7, 8, 9]),
            vec![2, 2, 1, 0, 0, 2],
            vec![0, 1, 0, 0, 0, 0],
        ),
        (
            Values::Double(vec![0.5, 1.5]),
            vec![3, 2, 1, 0, 0, 3],
            vec![0, 1, 0, 0, 0, 0],
        ),
        (Values::Text(vec!["Graz"]), vec![2, 1, 0, 1, 1], Vec::new()),
        (
            Values::Text(vec!["x", "y", "z"]),
            vec![3, 3, 2, 0, 1, 3],
            vec![0, 1, 0, 0, 0, 0],
        ),
        (
            Values::Int32(vec![5]),
            vec![4, 3, 2, 0, 1, 3],
            vec![0, 1, 0, 0, 0, 0],
        ),
    ]);
    let lines = read(&schema, &columns, 2, Compression::SNAPPY);
    let told: Vec<String> = lines
        .iter()
        .map(|line| json(line.as_ref().expect("a line")).0)
        .collect();
    let expected = [
        "{\"bare\":[1,2],\"by\":{\"7\":0.5,\"8\":null},\"city\":\"Graz\",\
         \"items\":[{\"sku\":\"x\",\"count\":5},{\"sku\":\"y\"}],\"tags\":[\"a\",\"b\"]}",
        "{\"bare\":[],\"by\":{},\"items\":[],\"tags\":[]}",
        "{\"bare\":[]}",
        "{\"bare\":[3],\"tags\":[null]}",
        "{\"bare\":[4],\"by\":{\"9\":1.5},\"items\":[{\"sku\":\"z\"}],\"tags\":[\"c\"]}",
    ];
    assert_eq!(told[..5], expected);
    assert_eq!(told[5..], expected);
}

#[test]
fn a_value_that_cannot_be_told_costs_its_row_alone() {
    let schema = format!(
        "message m {{ {WHO} required double x; repeated int32 day (DATE); optional binary user (STRING); }}"
    );
    let mut columns = who(4);
    columns.push(required(Values::Double(vec![
        1.0,
        f64::INFINITY,
        f64::NAN,
        2.0,
    ])));
    columns.push((
        Values::Int32(vec![1, i32::MAX, 2, 3, i32::MAX, 4]),
        vec![1, 1, 1, 1, 1, 1],
        vec![0, 0, 1, 0, 0, 1],
    ));
    columns.push((Values::Text(vec!["a"]), vec![0, 0, 1, 0], Vec::new()));
    let lines = read(&schema, &columns, 1, Compression::SNAPPY);
    let told: Vec<String> = lines
        .iter()
        .map(|line| match line {
            Ok(line) => json(line).0,
            Err(bad) => format!("{}:{}", bad.line, bad.field),
        })
        .collect();
    assert_eq!(
        told,
        [
            "{\"day\":[\"1970-01-02\"],\"x\":1.0}",
            "2:x",
            "{\"day\":[\"1970-01-04\"],\"user\":\"a\"}",
            "4:day"
        ]
    );
}

#[test]
fn rows_of_equal_values_have_one_digest_whatever_group_and_codec() {
    let schema = format!("message m {{ {WHO} }}");
    let one = read(&schema, &who(700), 1, Compression::SNAPPY);
    let other = read(&schema, &who(700), 2, Compression::UNCOMPRESSED);
    assert_eq!((one.len(), other.len()), (700, 1400));
    let digest = |line: &Result<Line, BadLine>| line.as_ref().expect("a line").digest;
    for (place, line) in one.iter().enumerate() {
        assert_eq!(digest(line), digest(&other[place]));
        assert_eq!(digest(line), digest(&other[place + 700]));
    }
    assert_ne!(digest(&one[0]), digest(&one[1]));
}

#[test]
fn a_page_that_is_too_large_is_not_unpacked() {
    let schema = format!("message m {{ {WHO} }}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.parquet");
    write(&path, &schema, &who(700), 1, Compression::SNAPPY);
    let file = File::open(&path).expect("a file");
    let reader = SerializedFileReader::new(File::open(&path).expect("a file")).expect("a file");
    let (start, length) = reader.metadata().row_group(0).column(0).byte_range();
    // A dictionary of 700 values of eight bytes.
    assert_eq!(pages::check(&file, start, length, 5_600), Ok(()));
    let refused = pages::check(&file, start, length, 5_599).expect_err("refused");
    assert!(refused.contains("a page of 5600 bytes"), "{refused}");
}

#[test]
fn a_damaged_file_ends_with_a_reason_and_no_panic() {
    let schema = format!(
        "message m {{ {WHO} optional group tags (LIST) {{ repeated group list {{
            optional binary element (STRING); }} }} }}"
    );
    let mut columns = who(3);
    columns.push((
        Values::Text(vec!["a", "b"]),
        vec![3, 3, 1, 0],
        vec![0, 1, 0, 0],
    ));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.parquet");
    write(&path, &schema, &columns, 1, Compression::SNAPPY);
    let whole = std::fs::read(&path).expect("a file");
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        std::fs::write(&path, &damaged).expect("a file");
        let mapping = Mapping {
            event_name: Some("told".to_owned()),
            ..Mapping::default()
        };
        let Ok(file) = ImportFile::open(&path, None, Reading::default()) else {
            continue;
        };
        let read = catch_unwind(|| match ParquetRows::open(&file, &mapping) {
            Ok(rows) => rows.take(1_000).count(),
            Err(bad) => bad.len(),
        });
        assert!(read.is_ok_and(|count| count < 1_000), "{place}");
    }
    std::fs::write(&path, &whole[..whole.len() - 9]).expect("a file");
    let file = ImportFile::open(&path, None, Reading::default()).expect("a form");
    let bad = ParquetRows::open(&file, &Mapping::default())
        .map(|_| ())
        .expect_err("no end");
    assert!(
        bad[0].is_last && bad[0].reason.contains("is it whole?"),
        "{bad:?}"
    );
}
