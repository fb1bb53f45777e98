"""The backend for KServe's LLMInferenceService, which serves copies of such services alone."""
