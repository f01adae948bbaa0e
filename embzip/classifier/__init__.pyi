# The public names, and where each lives; `__init__.py` imports one when it is first used.
from .attention import AttentionConfig as AttentionConfig
from .cnn import CnnConfig as CnnConfig
from .encoder import Encoder as Encoder
from .ensemble import Ensemble as Ensemble
from .fnet import FnetConfig as FnetConfig
from .kit import Kit as Kit
from .loading import load_classifier as load_classifier
from .loading import load_model as load_model
from .loading import load_one as load_one
from .mean import MeanConfig as MeanConfig
from .model import Classifier as Classifier
from .model import head_shapes as head_shapes
from .registry import encoder_class as encoder_class
from .text_digests import TextDigest as TextDigest
from .training_record import TrainingRecord as TrainingRecord
from .training_record import TrainingRun as TrainingRun
