# The locked environment with the package in it: docker build -t babylm .   (a GPU: --build-arg TORCH_INDEX=...)
# Mount your text and runs:  docker run --rm -it -v $PWD/corpora:/babylm/corpora -v $PWD/checkpoints:/babylm/checkpoints babylm
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends make git g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /babylm
ARG TORCH_INDEX=
COPY pyproject.toml Makefile README.md LICENSE ./
COPY requirements requirements
COPY babylm babylm
RUN make env TORCH_INDEX=$TORCH_INDEX
COPY . .
ENV PATH=/babylm/.venv/bin:$PATH
CMD ["python", "-m", "babylm.train", "--help"]
