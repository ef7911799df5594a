"""A model behind Flask and gunicorn, as TensorFlow Serving's REST would answer: one of the peers of bench/serve."""
import os

import numpy as np
import onnxruntime
from flask import Flask, jsonify, request

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = Flask(__name__)


@app.post("/v1/models/m:predict")
def predict():
    x = np.array(request.get_json()["instances"], dtype=np.float32)
    return jsonify(predictions=session.run(None, {name: x})[0].tolist())
