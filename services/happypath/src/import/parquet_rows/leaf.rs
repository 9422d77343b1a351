//! The values of one column of Parquet, some rows at a time.

use jiff::SignedDuration;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::errors::Result;
use parquet::schema::types::ColumnDescriptor;

use super::kind::{Kind, Written, write_bytes, write_float, write_instant, write_integer};

/// A column.
pub(super) struct Leaf {
    kind: Kind,
    max_definition: i16,
    max_repetition: i16,
    column: Column,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    /// The number of levels that were loaded.
    levels: usize,
    /// The next level, and the next value.
    level: usize,
    value: usize,
    /// The level at which the row begins.
    row: usize,
}

/// A reader with what it has read.
enum Column {
    Boolean(ColumnReaderImpl<BoolType>, Vec<bool>),
    Int32(ColumnReaderImpl<Int32Type>, Vec<i32>),
    Int64(ColumnReaderImpl<Int64Type>, Vec<i64>),
    Int96(ColumnReaderImpl<Int96Type>, Vec<Int96>),
    Float(ColumnReaderImpl<FloatType>, Vec<f32>),
    Double(ColumnReaderImpl<DoubleType>, Vec<f64>),
    Bytes(ColumnReaderImpl<ByteArrayType>, Vec<ByteArray>),
    Fixed(
        ColumnReaderImpl<FixedLenByteArrayType>,
        Vec<FixedLenByteArray>,
    ),
}

impl Leaf {
    /// Reads a column of a row group.
    pub(super) fn new(descriptor: &ColumnDescriptor, reader: ColumnReader) -> Self {
        Self {
            kind: Kind::of(descriptor),
            max_definition: descriptor.max_def_level(),
            max_repetition: descriptor.max_rep_level(),
            column: match reader {
                ColumnReader::BoolColumnReader(reader) => Column::Boolean(reader, Vec::new()),
                ColumnReader::Int32ColumnReader(reader) => Column::Int32(reader, Vec::new()),
                ColumnReader::Int64ColumnReader(reader) => Column::Int64(reader, Vec::new()),
                ColumnReader::Int96ColumnReader(reader) => Column::Int96(reader, Vec::new()),
                ColumnReader::FloatColumnReader(reader) => Column::Float(reader, Vec::new()),
                ColumnReader::DoubleColumnReader(reader) => Column::Double(reader, Vec::new()),
                ColumnReader::ByteArrayColumnReader(reader) => Column::Bytes(reader, Vec::new()),
                ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                    Column::Fixed(reader, Vec::new())
                }
            },
            definitions: Vec::new(),
            repetitions: Vec::new(),
            levels: 0,
            level: 0,
            value: 0,
            row: 0,
        }
    }

    /// Reads as many rows, and returns how many there were.
    pub(super) fn load(&mut self, rows: usize) -> Result<usize> {
        (self.level, self.value, self.row) = (0, 0, 0);
        let levels = (&mut self.definitions, &mut self.repetitions);
        let (rows, _, count) = match &mut self.column {
            Column::Boolean(reader, values) => read(reader, values, levels, rows)?,
            Column::Int32(reader, values) => read(reader, values, levels, rows)?,
            Column::Int64(reader, values) => read(reader, values, levels, rows)?,
            Column::Int96(reader, values) => read(reader, values, levels, rows)?,
            Column::Float(reader, values) => read(reader, values, levels, rows)?,
            Column::Double(reader, values) => read(reader, values, levels, rows)?,
            Column::Bytes(reader, values) => read(reader, values, levels, rows)?,
            Column::Fixed(reader, values) => read(reader, values, levels, rows)?,
        };
        self.levels = count;
        Ok(rows)
    }

    /// Returns the definition level that is next; 0 after the last.
    pub(super) fn definition(&self) -> i16 {
        match self.max_definition {
            0 => 0,
            _ => self.definitions.get(self.level).copied().unwrap_or(0),
        }
    }

    /// Returns the repetition level that is next; 0 after the last, where a row begins too.
    pub(super) fn repetition(&self) -> i16 {
        match self.max_repetition {
            0 => 0,
            _ => self.repetitions.get(self.level).copied().unwrap_or(0),
        }
    }

    /// Leaves behind what the row has left, so that the next one begins at its own.
    pub(super) fn end_row(&mut self) -> Written {
        if self.level == self.row {
            self.skip()?;
        }
        while self.level < self.levels && self.repetition() > 0 {
            self.skip()?;
        }
        self.row = self.level;
        Ok(())
    }

    /// Passes a level over, with the value that it has.
    pub(super) fn skip(&mut self) -> Written {
        if self.level >= self.levels {
            return Err("holds fewer values than its file says".to_owned());
        }
        self.value += usize::from(self.definition() == self.max_definition);
        self.level += 1;
        Ok(())
    }

    /// Writes the next value, or null where there is none.
    pub(super) fn write(&mut self, out: &mut String) -> Written {
        let is_there = self.definition() == self.max_definition;
        let place = self.value;
        self.skip()?;
        if !is_there {
            out.push_str("null");
            return Ok(());
        }
        let kind = self.kind;
        let written = match &self.column {
            Column::Boolean(_, values) => values.get(place).map(|value| {
                out.push_str(if *value { "true" } else { "false" });
                Ok(())
            }),
            Column::Int32(_, values) => values
                .get(place)
                .map(|value| write_integer(kind, i64::from(*value), true, out)),
            Column::Int64(_, values) => values
                .get(place)
                .map(|value| write_integer(kind, *value, false, out)),
            Column::Int96(_, values) => values
                .get(place)
                .map(|value| write_instant(since_epoch(value), true, out)),
            Column::Float(_, values) => values
                .get(place)
                .map(|value| write_float(f64::from(*value), format_args!("{value:?}"), out)),
            Column::Double(_, values) => values
                .get(place)
                .map(|value| write_float(*value, format_args!("{value:?}"), out)),
            Column::Bytes(_, values) => values
                .get(place)
                .map(|value| write_bytes(kind, value.data(), out)),
            Column::Fixed(_, values) => values
                .get(place)
                .map(|value| write_bytes(kind, value.data(), out)),
        };
        written.unwrap_or_else(|| Err("holds fewer values than its file says".to_owned()))
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
    (definitions, repetitions): (&mut Vec<i16>, &mut Vec<i16>),
    rows: usize,
) -> Result<(usize, usize, usize)> {
    values.clear();
    definitions.clear();
    repetitions.clear();
    reader.read_records(rows, Some(definitions), Some(repetitions), values)
}

/// The Julian day on which 1970 began.
const EPOCH_DAY: i64 = 2_440_588;

/// Returns the time since 1970 of a timestamp of old writers: nanoseconds of a Julian day.
fn since_epoch(value: &Int96) -> SignedDuration {
    let [low, high, day] = value.data() else {
        return SignedDuration::ZERO;
    };
    let nanos = i64::from(*low) + (i64::from(*high) << 32);
    let days = i64::from(day.cast_signed()) - EPOCH_DAY;
    SignedDuration::from_secs(days * 86_400).saturating_add(SignedDuration::from_nanos(nanos))
}
