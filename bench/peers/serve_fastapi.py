"""A model behind FastAPI and uvicorn: one of the peers of bench/serve.  No pydantic model: the fastest form."""
import json
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = FastAPI()


@app.post("/v1/models/m:predict")
async def predict(request: Request):
    x = np.array(json.loads(await request.body())["instances"], dtype=np.float32)
    y = session.run(None, {name: x})[0]
    return Response(json.dumps({"predictions": y.tolist()}), media_type="application/json")
