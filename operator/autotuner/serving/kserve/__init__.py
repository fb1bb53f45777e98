"""The backend for KServe's InferenceService in its mode Standard, which earlier releases call RawDeployment."""
