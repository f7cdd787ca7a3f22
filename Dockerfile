# Classifies recordings on a CPU, as a user without rights:
#   docker build --tag disentangled-audio .
#   docker run --rm --volume "$PWD:/data" disentangled-audio classify clap.wav --model model.zip
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir -c constraints.txt ".[cpu]" \
    && useradd --create-home --uid 10001 classifier

USER 10001
WORKDIR /data
ENTRYPOINT ["disentangled-audio"]
CMD ["--help"]
