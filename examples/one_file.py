"""The whole method flat in one file: sample, check, reward, leave-one-out, PPO-clip with KL. Read it top to bottom.

    python examples/one_file.py tersely-quickstart/base/checkpoints/step-XXXXXX --alpha 0.2 --steps 20

No padding tricks, no checkpoints, no worker processes: what the library does fast and safely, done plainly. A test
keeps the two equal: the same responses give the same loss. Of tersely itself only the embedded problems are used.
"""

import argparse
import re

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS, SIBLINGS, UPDATES = 32, 8, 2  # problems a step, responses a problem, gradient steps a step
CLIP, KL, MAX_GRADIENT = 0.2, 1e-3, 1.0


def sample(model, tokenizer, question, count, cap):
    """``count`` responses to one question: a list of (prompt ids, response ids, log-probabilities)."""
    chat = [{"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    ids = torch.tensor([prompt] * count)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=cap,
        pad_token_id=tokenizer.pad_token_id,
    )
    responses = []
    for row in out[:, len(prompt) :].tolist():
        length = row.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in row else len(row)
        responses.append((prompt, row[:length], response_logprobs(model, prompt, row[:length]).detach()))
    return responses


def response_logprobs(model, prompt, response):
    """[T] log-probability of every response token."""
    logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(response)[:, None])[:, 0]


def is_correct(tokenizer, response, answer):
    """Finished by itself, and the last box holds the answer."""
    text = tokenizer.decode(response, skip_special_tokens=True)
    boxes = re.findall(r"\\boxed\s*\{\s*(.*?)\s*\}", text.rpartition("</think>")[2])
    return response[-1] == tokenizer.eos_token_id and bool(boxes) and boxes[-1] == answer


def rewards_of(correct, lengths, alpha):
    """Eq. 4-5: correct * (1 - alpha * sigmoid((len - mean) / std)), mean and std over the correct siblings."""
    right = lengths[correct]
    spread = right.std() if right.size and right.max() > right.min() else 1.0
    z = (lengths - (right.mean() if right.size else 0.0)) / spread
    return np.where(correct, 1.0 - alpha / (1.0 + np.exp(-np.where(correct, z, 0.0))), 0.0)


def leave_one_out(rewards):
    """RLOO: each reward minus the mean of its siblings' rewards."""
    return rewards - (rewards.sum() - rewards) / (len(rewards) - 1)


def step_loss(model, reference, batch):
    """Mean over responses of the mean over tokens of the clipped surrogate; k1 KL to go inside the advantage."""
    total = 0.0
    for prompt, response, old, advantage in batch:
        new = response_logprobs(model, prompt, response)
        with torch.no_grad():
            k1 = old - response_logprobs(reference, prompt, response)
        token_advantage = advantage - KL * k1.flip(0).cumsum(0).flip(0)
        ratio = (new - old).exp()
        surrogate = torch.minimum(ratio * token_advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * token_advantage)
        total = total - surrogate.mean() / len(batch)
    return total


def train_step(model, reference, tokenizer, optimizer, problems, alpha, cap):
    """One iteration; returns the losses of its gradient steps and everything that was sampled."""
    batch, accuracy, lengths = [], [], []
    for problem in problems:
        responses = sample(model, tokenizer, problem.question, SIBLINGS, cap)
        correct = np.array([is_correct(tokenizer, r, problem.answer) for _, r, _ in responses])
        length = np.array([len(r) for _, r, _ in responses], dtype=float)
        advantages = leave_one_out(rewards_of(correct, length, alpha))
        batch += [(*one, float(a)) for one, a in zip(responses, advantages, strict=True)]
        accuracy.append(correct.mean())
        lengths.append(length.mean())
    losses = []
    for part in range(UPDATES):
        share = len(batch) // UPDATES
        optimizer.zero_grad()
        loss = step_loss(model, reference, batch[part * share : (part + 1) * share])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT)
        optimizer.step()
        losses.append(loss.item())
    return losses, batch, float(np.mean(accuracy)), float(np.mean(lengths))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="model folder, such as a checkpoint of the quickstart's base")
    parser.add_argument("--alpha", type=float, default=0.2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--cap", type=int, default=256)
    args = parser.parse_args()
    from tersely.tasks.sources.arithmetic import arithmetic_problems

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model, reference = (AutoModelForCausalLM.from_pretrained(args.model).eval() for _ in range(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.95))
    problems = arithmetic_problems("train", PROMPTS * args.steps, 1)
    for step in range(args.steps):
        chosen = problems[step * PROMPTS : (step + 1) * PROMPTS]
        losses, _, accuracy, length = train_step(model, reference, tokenizer, optimizer, chosen, args.alpha, args.cap)
        print(f"step {step + 1}: accuracy {accuracy:.1%}, tokens {length:.1f}, losses {losses}", flush=True)


if __name__ == "__main__":
    main()
