//! The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes without gap or overlap.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use warmstart_schema::text;

use crate::model;

/// ResNet-50's header takes 30 KB.
const MAX_HEADER_BYTES: usize = 1 << 20;
const METADATA: &str = "__metadata__";
/// Characters of a tensor's name that are shown: a file may have any.
const NAME: usize = 120;

/// The format's number formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the format's own names say it all")]
pub enum Dtype {
    Bool,
    U8,
    I8,
    I16,
    U16,
    F16,
    Bf16,
    I32,
    U32,
    F32,
    I64,
    U64,
    F64,
}

impl Dtype {
    fn bytes(self) -> u64 {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    fn of(kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Float => Self::F32,
            Kind::Int64 => Self::I64,
            other => bail!("tensors of kind {other:?} are not written"),
        })
    }
}

/// One tensor of a file, its bytes little-endian and row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    pub dtype: Dtype,
    pub shape: Vec<i64>,
    pub data: &'a [u8],
}

impl Entry<'_> {
    /// A copy on the CPU; an error for anything but `F32` and `I64`, which are what checkpoints hold.
    pub fn tensor(&self) -> Result<Tensor> {
        let kind = match self.dtype {
            Dtype::F32 => Kind::Float,
            Dtype::I64 => Kind::Int64,
            other => bail!("expected F32 or I64, found {other:?}"),
        };
        Ok(Tensor::f_from_data_size(self.data, &self.shape, kind)?)
    }
}

/// The tensors of a file by name.
pub type Entries<'a> = BTreeMap<String, Entry<'a>>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Described {
    dtype: Dtype,
    shape: Vec<i64>,
    data_offsets: (u64, u64),
}

/// The header in its own order. A plain map would keep the last of two equal names and say nothing.
struct Header(Vec<(String, Described)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from tensor names to their descriptions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut entries, mut names) = (Vec::new(), std::collections::HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        let name = text::line(&name, NAME);
                        return Err(A::Error::custom(format_args!(
                            "tensor `{name}` is described twice"
                        )));
                    }
                    if name == METADATA {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Reads the bytes of a safetensors file. The header is at most 1 MiB, no name comes twice, and the tensors fill the file
/// without gap or overlap.
pub fn parse(bytes: &[u8]) -> Result<Entries<'_>> {
    const NOT: &str = "not a safetensors file, or one that was cut short";
    let (length, rest) = bytes.split_first_chunk::<8>().context(NOT)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).context(NOT)?;
    ensure!(
        length <= MAX_HEADER_BYTES,
        "{NOT}: its header would take {length} bytes, the limit is {MAX_HEADER_BYTES}"
    );
    let (header, data) = rest.split_at_checked(length).context(NOT)?;
    // What serde quotes may be the whole header.
    let refused = |error: serde_json::Error| {
        let said = text::line(&error.to_string(), 300);
        // A whole header may name a number format that is not supported, such as `F8_E4M3`.
        if error.is_data() {
            anyhow!("the safetensors header cannot be used: {said}")
        } else {
            anyhow!("the safetensors header is damaged: {said}")
        }
    };
    let Header(mut described) = serde_json::from_slice(header).map_err(refused)?;
    described.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut entries = Entries::new();
    let mut at = 0_u64;
    for (
        name,
        Described {
            dtype,
            shape,
            data_offsets: (begin, end),
        },
    ) in described
    {
        let shown = text::line(&name, NAME);
        ensure!(
            begin == at,
            "tensor `{shown}`: its bytes begin at {begin}, expected {at}: a gap or an overlap"
        );
        let numbers = shape
            .iter()
            .try_fold(1_u64, |n, &side| n.checked_mul(u64::try_from(side).ok()?));
        let size = numbers.and_then(|n| n.checked_mul(dtype.bytes()));
        ensure!(
            size.is_some_and(|size| begin.checked_add(size) == Some(end)),
            "tensor `{shown}`: {dtype:?} {} does not take the bytes {begin} to {end}",
            sides(&shape)
        );
        let slice = data.get(usize::try_from(begin)?..usize::try_from(end)?);
        let data = slice.with_context(|| {
            format!(
                "tensor `{shown}` ends at byte {end} of {}: {NOT}",
                data.len()
            )
        })?;
        at = end;
        entries.insert(name, Entry { dtype, shape, data });
    }
    ensure!(
        at == data.len() as u64,
        "{} bytes follow the last tensor: the file is damaged",
        data.len() as u64 - at
    );
    Ok(entries)
}

/// A shape for messages: a file may claim any number of sides.
pub(super) fn sides(shape: &[i64]) -> String {
    text::line(&format!("{shape:?}"), NAME)
}

/// The texts that a file says about itself, by their keys; of a damaged file, none.
pub fn metadata(bytes: &[u8]) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct About {
        #[serde(rename = "__metadata__", default)]
        metadata: BTreeMap<String, String>,
    }
    let header = bytes.split_first_chunk::<8>().and_then(|(length, rest)| {
        let length = usize::try_from(u64::from_le_bytes(*length))
            .ok()
            .filter(|&length| length <= MAX_HEADER_BYTES)?;
        rest.get(..length)
    });
    let about = header.and_then(|header| serde_json::from_slice::<About>(header).ok());
    about.map(|about| about.metadata).unwrap_or_default()
}

/// Float32 and int64 tensors as the bytes of a safetensors file, in the order given; names must differ.
pub fn write(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let described = tensors
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), Dtype::of(tensor.kind())?, tensor.size())));
    let (header, numbers) = header(&BTreeMap::new(), described)?;
    let mut end = header.len();
    // The system zeroes such memory where it is first written. A vector that grows would touch all of it twice.
    let mut bytes = vec![0; end + usize::try_from(numbers)?];
    bytes[..end].copy_from_slice(&header);
    for (_, tensor) in tensors {
        let begin = end;
        end += tensor.numel() * tensor.kind().elt_size_in_bytes();
        model::copy_bytes(tensor, &mut bytes[begin..end])?;
    }
    Ok(bytes)
}

/// A safetensors file of tensors as bytes, in this order, with this metadata.
pub fn write_entries(
    about: &BTreeMap<String, String>,
    entries: &[(String, &Entry<'_>)],
) -> Result<Vec<u8>> {
    let described = entries
        .iter()
        .map(|(name, entry)| Ok((name.as_str(), entry.dtype, entry.shape.clone())));
    let (mut bytes, _) = header(about, described)?;
    bytes.reserve_exact(entries.iter().map(|(_, entry)| entry.data.len()).sum());
    for (_, entry) in entries {
        bytes.extend(entry.data);
    }
    Ok(bytes)
}

/// A file's length of header and header, and how many bytes the tensors take.
fn header<'a>(
    about: &BTreeMap<String, String>,
    tensors: impl IntoIterator<Item = Result<(&'a str, Dtype, Vec<i64>)>>,
) -> Result<(Vec<u8>, u64)> {
    let mut header = serde_json::Map::new();
    // What Hugging Face's readers ask for.
    let mut texts = serde_json::Map::from_iter([("format".to_owned(), "pt".into())]);
    texts.extend(
        about
            .iter()
            .map(|(key, text)| (key.clone(), text.as_str().into())),
    );
    header.insert(METADATA.to_owned(), texts.into());
    let mut end = 0;
    for tensor in tensors {
        let (name, dtype, shape) = tensor?;
        let begin = end;
        end += shape
            .iter()
            .map(|side| side.unsigned_abs())
            .product::<u64>()
            * dtype.bytes();
        let described = Described {
            dtype,
            shape,
            data_offsets: (begin, end),
        };
        if header
            .insert(name.to_owned(), serde_json::to_value(described)?)
            .is_some()
        {
            bail!("two tensors are called `{name}`");
        }
    }
    let mut header = serde_json::to_vec(&header)?;
    // Readers map the file into memory and want the numbers aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    Ok((bytes, end))
}
