//! The lines of Python that load an exported model into timm and prepare its pictures.

use std::path::Path;

use warmstart_schema::architecture::{Backbone, HeadSpec, InputSize, Stem};
use warmstart_schema::experiment::Interpolation;
use warmstart_schema::preparation::{Order, Preparation};

use super::{head, picture_side};
use crate::best::BestCheckpoint;

/// The head in `PyTorch`'s words, without dropout, which does nothing in `eval`.
pub(super) fn sequential(head: &HeadSpec) -> String {
    let HeadSpec {
        features,
        hidden,
        classes,
        ..
    } = head;
    if head.is_linear() {
        return format!("nn.Linear({features}, {classes})");
    }
    format!(
        "nn.Sequential(nn.Linear({features}, {hidden}), nn.ReLU(), nn.BatchNorm1d({hidden}), \
         nn.Linear({hidden}, {classes}))"
    )
}

/// Lines of Python that load `file` into timm's model, every tensor by its name, and prepare a picture as training did.
pub(super) fn python(best: &BestCheckpoint, file: &Path) -> String {
    let backbone = best.experiment.model.backbone;
    let name = python_text(&file.file_name().unwrap_or_default().to_string_lossy());
    format!(
        "import timm, torch; from torch import nn; from safetensors.torch import load_file\n\
         from PIL import Image, ImageOps; from torchvision.transforms import functional as F\n\
         model = timm.create_model(\"{backbone}\", num_classes=0{})\n\
         {}model.{} = {}\n\
         model.load_state_dict(load_file({name})); model.eval()\n\
         {}\
         def picture(path):\n\
         \x20   image = ImageOps.exif_transpose(Image.open(path))\n\
         \x20   if image.mode in (\"LA\", \"PA\", \"RGBA\", \"La\", \"RGBa\") or \"transparency\" in image.info:\n\
         \x20       image = image.convert(\"RGBA\")\n\
         \x20       image = Image.alpha_composite(Image.new(\"RGBA\", image.size, \"white\"), image)\n\
         \x20   return prepare(image.convert(\"RGB\"))\n\
         # model(picture(\"any.jpg\").unsqueeze(0)).softmax(-1)\n",
        size_option(backbone, best.preparation().side),
        new_stem(best.experiment.model.stem),
        backbone.classifier(),
        sequential(&head(best)),
        prepare(best),
    )
}

/// A line of Python that gives timm's `ResNet` another stem.
fn new_stem(stem: Stem) -> &'static str {
    match stem {
        Stem::Original => "",
        Stem::Small => {
            "model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False); model.maxpool = nn.Identity()\n"
        }
    }
}

/// What timm needs to be told where a transformer takes other images than those whose places it learned.
fn size_option(backbone: Backbone, side: u32) -> &'static str {
    match backbone.input_size() {
        InputSize::Patches {
            learned: Some(learned),
            ..
        } if learned != side => ", dynamic_img_size=True",
        InputSize::Patches { .. } | InputSize::Any => "",
    }
}

/// A text in Python's words, exactly, and harmless on a screen.
fn python_text(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// Lines of Python that define `prepare`, from an RGB image to a tensor.
fn prepare(best: &BestCheckpoint) -> String {
    let (experiment, preparation) = (&best.experiment, best.preparation());
    let Preparation {
        side,
        interpolation,
        crop_pct,
        order,
        mean,
        std,
        ..
    } = &preparation;
    let interpolation = interpolation.as_str();
    let own = experiment.dataset.folder().is_some();
    if own && *order == Order::ResizeFirst {
        return format!(
            "prepare = timm.data.create_transform(input_size=(3, {side}, {side}), is_training=False, \
             interpolation=\"{interpolation}\", crop_pct={crop_pct:?}, crop_mode=\"center\", mean={mean:?}, std={std:?})\n"
        );
    }
    let picture_side = picture_side(experiment, &preparation);
    let lines = format!(
        "def prepare(image):\n\
         \x20   (w, h), s = image.size, min(image.size)\n\
         \x20   box = ((w - s) / 2, (h - s) / 2, (w + s) / 2, (h + s) / 2)\n\
         \x20   image = image.resize(({picture_side}, {picture_side}), Image.BILINEAR, box=box)\n\
         \x20   x = F.normalize(F.to_tensor(image), {mean:?}, {std:?})\n"
    );
    if *side == picture_side {
        return lines + "    return x\n";
    }
    let how = match preparation.interpolation {
        Interpolation::Nearest => "mode=\"nearest\"",
        Interpolation::Bilinear => "mode=\"bilinear\"",
        Interpolation::Bicubic => "mode=\"bicubic\", antialias=True",
    };
    lines + &format!("    return nn.functional.interpolate(x[None], ({side}, {side}), {how})[0]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timm_interpolates_positions_where_they_were_learned_at_another_size() {
        let option = |backbone, side| !size_option(backbone, side).is_empty();
        assert!(option(Backbone::VitSmallPatch14DinoV2, 224));
        assert!(!option(Backbone::VitSmallPatch14DinoV2, 518));
        assert!(!option(Backbone::VitSmallPatch16, 224));
        assert!(!option(Backbone::VitSmallPatch16DinoV3, 224));
        assert!(!option(Backbone::Resnet18, 96));
    }
}
