"""The releases of torch that warmstart can be built with, and the files of each on PyPI.

`WARMSTART_TORCH` selects one; the default is DEFAULT. A wheel is a tuple: file name, SHA-256, and size in bytes. The file name
contains package, version and platform.
"""
from collections import namedtuple

DEFAULT = "2.13"

# torch's version and the release of the crates tch and torch-sys for it. Then wheels by machine: those of every set, and those
# that only libtorch_cuda.so needs. Then the wheel for macOS.
Release = namedtuple("Release", "version tch base cuda macos")

# NVIDIA's wheels that all releases use.
SHARED_BASE = {
    "x86_64": [
        ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", 2243632),
        ("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", 10715597),
    ],
    "aarch64": [
        ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55", 2261060),
        ("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl", "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151", 10310827),
    ],
}
SHARED_CUDA = {
    "x86_64": [
        ("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575", 90215200),
        ("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3", 214085489),
        ("nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44", 1223672),
        ("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl", "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc", 59544258),
        ("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl", "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112", 200941980),
        ("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b", 145942937),
        ("nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b", 40713933),
        ("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80", 60412546),
    ],
    "aarch64": [
        ("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b", 43015449),
        ("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5", 214053554),
        ("nvidia_cufile-1.15.1.6-py3-none-manylinux_2_27_aarch64.whl", "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1", 1136992),
        ("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_aarch64.whl", "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a", 61962106),
        ("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_aarch64.whl", "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2", 223467760),
        ("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c", 162155568),
        ("nvidia_nvjitlink-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c", 38768748),
        ("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9", 60215947),
    ],
}


def release(version, tch, torch, cuda, macos):
    """A row of RELEASES: its own wheels, and the wheels of NVIDIA that all releases share."""
    machines = ("x86_64", "aarch64")
    return Release(
        version,
        tch,
        {m: [torch[m]] + SHARED_BASE[m] for m in machines},
        {m: cuda[m] + SHARED_CUDA[m] for m in machines},
        [macos],
    )


RELEASES = {
    "2.13": release(
        "2.13.0",
        "0.26.0",
        {
            "x86_64": ("torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl", "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b", 526605292),
            "aarch64": ("torch-2.13.0-cp312-cp312-manylinux_2_28_aarch64.whl", "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4", 427210998),
        },
        {
            "x86_64": [
                ("nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_x86_64.whl", "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436", 423138758),
                ("nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl", "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304", 366173588),
                ("nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_x86_64.whl", "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0", 170148586),
                ("nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_x86_64.whl", "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d", 205976000),
            ],
            "aarch64": [
                ("nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_aarch64.whl", "b7a210458267ac818974c53038fbec2e969d5c99f305ab15c72522fa9f001dd5", 542848918),
                ("nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_aarch64.whl", "e31454ae00094b0c55319d9d15b6fa2fc50a9e1c0f5c8c80fb75258234e731e1", 444574296),
                ("nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_aarch64.whl", "4dca476c50bf4780d46cd0bfbd82e2bc10a08e4fef7950917ce8d7578d22a23f", 221051344),
                ("nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_aarch64.whl", "674a12383e3c38a1bcccae7d4f3633b37852230b6047883cb2f4c2d1b36d9bf5", 206014712),
            ],
        },
        ("torch-2.13.0-cp312-cp312-macosx_14_0_arm64.whl", "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027", 111213045),
    ),
    "2.11": release(
        "2.11.0",
        "0.24.0",
        {
            "x86_64": ("torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl", "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756", 530712279),
            "aarch64": ("torch-2.11.0-cp312-cp312-manylinux_2_28_aarch64.whl", "f99924682ef0aa6a4ab3b1b76f40dc6e273fca09f367d15a524266db100a723f", 419731115),
        },
        {
            "x86_64": [
                ("nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl", "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171", 423133236),
                ("nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl", "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf", 366066321),
                ("nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl", "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd", 169884119),
                ("nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl", "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42", 196493177),
            ],
            "aarch64": [
                ("nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_aarch64.whl", "c86fc7f7ae36d7528288c5d88098edcb7b02c633d262e7ddbb86b0ad91be5df2", 542851226),
                ("nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_aarch64.whl", "6ed29ffaee1176c612daf442e4dd6cfeb6a0caa43ddcbeb59da94953030b1be4", 433781201),
                ("nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_aarch64.whl", "400c6ed1cf6780fc6efedd64ec9f1345871767e6a1a0a552a1ea0578117ea77c", 220791277),
                ("nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_aarch64.whl", "01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643", 196561677),
            ],
        },
        ("torch-2.11.0-cp312-cp312-macosx_11_0_arm64.whl", "4b5866312ee6e52ea625cd211dcb97d6a2cdc1131a5f15cc0d87eec948f6dd34", 80606338),
    ),
}
