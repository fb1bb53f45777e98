"""Small files of every trace format, made up."""

from __future__ import annotations

import json

MOONCAKE = [
    '{"timestamp": 2000, "input_length": 1100, "output_length": 20, "hash_ids": [1, 2, 3]}\n',
    '{"timestamp": 2500, "input_length": 1030, "output_length": 10, "hash_ids": [1, 2, 4]}\n',
    '{"timestamp": 4000, "input_length": 300, "output_length": 0, "hash_ids": [9]}\n',
    '{"timestamp": 6000, "input_length": 300, "output_length": 5, "hash_ids": [9]}\n',
]
AZURE = [
    "TIMESTAMP,ContextTokens,GeneratedTokens\n",
    "2023-11-16 18:15:46.6805900,374,44\n",
    "2023-11-16 18:15:48.1805900,396,109\n",
]
AZURE_LATER = ["TIMESTAMP,ContextTokens,GeneratedTokens\n", "2024-05-10 00:00:00.009930+00:00,2162,5\n"]
BURST_GPT = [
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n",
    "5,ChatGPT,472,18,490,Conversation log\n",
    "45,GPT-4,1087,0,1087,API log\n",
    "118.5,ChatGPT,417,276,693,Conversation log\n",
]
_CONVERSATIONS = [
    {"id": "a", "conversations": [{"from": "human", "value": "Hi {[}"}, {"from": "gpt", "value": "Hello"}]},
    {"id": "b", "conversations": [{"from": "gpt", "value": "only an answer"}]},
    {"id": "c", "conversations": []},
    {
        "id": "d",
        "conversations": [
            {"from": "system", "value": "be brief"},
            {"from": "human", "value": "Why?"},
            {"from": "gpt", "value": "Because \ud83d\ude00"},
            {"from": "human", "value": "Oh"},
        ],
    },
]
SHARE_GPT = [json.dumps(_CONVERSATIONS)]
SHARE_GPT_LINES = json.dumps(_CONVERSATIONS, indent=2).splitlines(keepends=True)
OPEN_AI = [
    '{"model": "x", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],'
    ' "max_tokens": 9, "temperature": 0.3, "stream": false}\n',
    "\n",
    '{"custom_id": "1", "body": {"messages": [{"role": "user", "content": "v"}], "max_completion_tokens": 4}}\n',
]
