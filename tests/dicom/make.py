"""Makes the DICOM files beside this script, and says what pydicom itself reads in them.

    python -m venv venv && venv/bin/pip install pydicom==3.0.2 numpy && venv/bin/python tests/dicom/make.py

The files are committed, so that the tests need no Python and no network. For every file `<name>.dcm` there is a
`<name>.json`: the attributes as pydicom's own JSON model of the file it read back, and figures that numpy made of its
pixels. Every identity in the files is invented and holds the word SECRET or 机密.
"""

import json
import pathlib

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

HERE = pathlib.Path(__file__).parent
ROOT = "1.2.826.0.1.3680043.8.498."


def code(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def base(number, syntax, charset, name, place, modality):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = f"{ROOT}{number}"
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.1"
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = charset
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}77", f"{ROOT}77.{number}"
    ds.FrameOfReferenceUID = f"{ROOT}88"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = name, f"SECRET-{number}", "19700101", "O"
    ds.InstitutionName, ds.ReferringPhysicianName = f"SECRET {place}", f"SECRET^{place}"
    ds.OtherPatientNames = "SECRET^Other"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20260301", "081500", "SECRET42"
    ds.StudyDescription = "SECRET follow-up"
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = modality, place, "Scanner 7"
    ds.BodyPartExamined, ds.ImageType = "CHEST", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SliceThickness, ds.PixelSpacing = "1.25", ["0.7", "0.7"]
    ds.ImagePositionPatient = ["-100", "1.5e2", "0"]
    ds.InstanceNumber, ds.AcquisitionNumber = number, None
    return ds


def pixels(ds, array, stored, signed=0, samples=1):
    ds.SamplesPerPixel = samples
    ds.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = array.shape[0], array.shape[1]
    ds.BitsAllocated = array.dtype.itemsize * 8
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = stored, stored - 1, signed
    ds.PixelData = array.tobytes()
    ds["PixelData"].VR = "OW" if array.dtype.itemsize == 2 else "OB"


def nested(ds, meaning):
    """Sequences in sequences, of undefined length, beside private attributes with the same."""
    inner = code("T-D3000", "SRT", meaning)
    inner.AnatomicRegionModifierSequence = Sequence([code("R-4", "SRT", f"{meaning} SRT")])
    inner["AnatomicRegionModifierSequence"].is_undefined_length = True
    inner.AnatomicRegionModifierSequence[0].is_undefined_length_sequence_item = True
    ds.AnatomicRegionSequence = Sequence([inner, code("T-1", "SRT", "Lung")])
    ds["AnatomicRegionSequence"].is_undefined_length = True
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ds.SOPClassUID, f"{ROOT}9"
    ds.SourceImageSequence = Sequence([reference])
    request = Dataset()
    request.RequestedProcedureDescription, request.RequestedProcedureID = "SECRET procedure", "SECRET"
    ds.RequestAttributesSequence = Sequence([request])
    block = ds.private_block(0x0011, "SECRET CREATOR", create=True)
    block.add_new(0x01, "LO", "SECRET private")
    private = Dataset()
    private.PatientName = "SECRET^Private"
    block.add_new(0x02, "SQ", Sequence([private]))
    ds[block.get_tag(0x02)].is_undefined_length = True


def empty(ds):
    ds.AnatomicRegionSequence = Sequence([])


def write(name, ds, compress=False, group_length=True):
    path = HERE / f"{name}.dcm"
    ds.save_as(path, enforce_file_format=group_length)
    read = pydicom.dcmread(path)
    expected = {"transferSyntax": str(read.file_meta.TransferSyntaxUID)}
    attributes = read.to_json_dict(suppress_invalid_tags=True)
    for tag in list(attributes):
        attributes[tag].pop("InlineBinary", None)
    expected["attributes"] = attributes
    if not compress:
        array = read.pixel_array.astype(np.int64)
        low, high = int(array.min()), int(array.max())
        width = -(-(high - low + 1) // 256)
        bins = (high - low) // width + 1
        counts = np.bincount((array.ravel() - low) // width, minlength=bins)
        expected["pixels"] = {
            "count": int(array.size), "min": low, "max": high, "mean": float(array.mean()),
            "binWidth": width, "histogram": counts.tolist(),
        }
    (HERE / f"{name}.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


random = np.random.default_rng(6)

ds = base(1, ExplicitVRLittleEndian, "GB18030", "SECRET^Zhang=张^伟机密", "联影医疗", "CT")
nested(ds, "胸部喆镕")
pixels(ds, random.integers(-1024, 3071, (32, 40), dtype=np.int16), 16, signed=1)
ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "-1024", "HU"
ds.SmallestImagePixelValue, ds.LargestImagePixelValue = -1024, 3070
write("explicit-gb18030", ds)

ds = base(2, ImplicitVRLittleEndian, "ISO_IR 192", "SECRET^Müller=李^娜机密", "上海联影 ünïcode", "MR")
nested(ds, "肝脏 🫁")
pixels(ds, random.integers(0, 4096, (17, 19), dtype=np.uint16), 12)
ds.WindowCenter, ds.WindowWidth = ["40", "300.5"], ["400", "1500"]
write("implicit-utf8", ds)

ds = base(3, DeflatedExplicitVRLittleEndian, "ISO_IR 100", "SECRET^Jos\xe9", "H\xf4pital", "US")
nested(ds, "C\u0153ur".replace("\u0153", "oe") + " \xe9")
pixels(ds, random.integers(0, 256, (15, 21, 3), dtype=np.uint8), 8, samples=3)
write("deflated-latin1-rgb", ds)

ds = base(4, ExplicitVRLittleEndian, ["", "ISO 2022 IR 87"], "SECRET^Yamada=山田^太郎", "Toshiba", "CR")
empty(ds)
ds.ManufacturerModelName = "撮影装置"
pixels(ds, random.integers(0, 200, (64, 64), dtype=np.uint8), 8)
ds.compress(RLELossless)
write("rle-japanese", ds, compress=True)

ds = base(5, ImplicitVRLittleEndian, ["", "ISO 2022 IR 149"], "SECRET^Hong=홍^길동", "Samsung", "MR")
ds.StationAETitle = ["A", "B"]
ds.SmallestImagePixelValue, ds.LargestImagePixelValue, ds.PixelPaddingValue = -2048, 2047, -2048
pixels(ds, random.integers(-2048, 2048, (8, 9), dtype=np.int16), 16, signed=1)
write("implicit-korean-signed", ds)

# As many devices write them: the file meta information does not say how long it is.
ds = base(6, ExplicitVRLittleEndian, "GBK", "SECRET^Wang=王^芳机密", "东软医疗", "DX")
nested(ds, "膝关节")
pixels(ds, random.integers(0, 1024, (12, 14), dtype=np.uint16), 10)
write("explicit-gbk-no-group-length", ds, group_length=False)

# What is in the fragment is no image: nobody decompresses it.
ds = base(7, JPEGBaseline8Bit, "ISO_IR 144", "SECRET^Иванов", "Рентген", "XA")
empty(ds)
pixels(ds, random.integers(0, 256, (6, 6), dtype=np.uint8), 8)
ds.PixelData = encapsulate([b"\xff\xd8 not decompressed \xff\xd9"])
ds["PixelData"].is_undefined_length = True
write("jpeg-cyrillic-no-group-length", ds, compress=True, group_length=False)
