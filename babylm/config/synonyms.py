"""What other tools call our settings: a key that difflib cannot guess is answered with ours."""

from __future__ import annotations

SYNONYMS = {
    "optimizer.lr": "learning_rate max_lr peak_lr muon_lr base_lr",
    "optimizer.weight_decay": "wd decay l2",
    "optimizer.max_grad_norm": "gradient_clip_val grad_clip grad_norm_clip clip_grad clip_norm gradient_clipping",
    "optimizer.name": "optim optimizer_name optimizer_type",
    "optimizer.betas": "beta1 beta2 adam_beta1 adam_beta2",
    "optimizer.eps": "epsilon adam_epsilon",
    "schedule.name": "lr_scheduler_type scheduler lr_scheduler lr_schedule scheduler_type",
    "schedule.warmup": "warmup_steps warmup_ratio num_warmup_steps warmup_iters warmup_fraction",
    "schedule.cooldown": "decay_steps lr_decay_iters cooldown_steps warmdown",
    "schedule.final_lr_factor": "min_lr min_lr_ratio final_lr",
    "phases": "batch_size per_device_train_batch_size train_batch_size global_batch_size batch_tokens bs "
    "seq_len sequence_length seq_length max_seq_len max_seq_length max_length block_size context_length n_ctx",
    "budget.epochs": "num_train_epochs max_epochs num_epochs n_epochs",
    "budget.words": "max_steps total_steps max_iters num_steps train_steps max_words total_words max_tokens",
    "model.hidden_size": "d_model n_embd dim hidden_dim embed_dim embedding_size emb_dim model_dim width",
    "model.num_hidden_layers": "n_layer n_layers num_layers layers",
    "model.num_attention_heads": "n_head n_heads num_heads heads",
    "model.intermediate_size": "d_ff ffn_dim ffn_hidden_size mlp_dim inner_dim n_inner",
    "model.max_position_embeddings": "n_positions max_positions max_position",
    "model.dropout": "hidden_dropout hidden_dropout_prob dropout_prob resid_pdrop embd_pdrop",
    "model.attention_dropout": "attn_dropout attn_pdrop attention_probs_dropout_prob",
    "model.norm_eps": "layer_norm_eps rms_norm_eps",
    "model.rope_theta": "rotary_base rope_base",
    "model.partial_rotary_factor": "rotary_pct rotary_percentage",
    "model.tie_embeddings": "tie_word_embeddings weight_tying tie_weights",
    "model.logit_softcap": "soft_cap softcap logits_soft_cap final_logit_softcapping",
    "model.sub_norm": "inner_norm",
    "model.x0_skip": "input_skip",
    "model.layer_connections": "depth",
    "model.activation": "hidden_act activation_function",
    "model.preset": "model_name size architecture model_size",
    "model.initializer": "initializer_range init_std init",
    "tokenizer.vocab_size": "n_vocab vocab num_tokens vocabulary_size",
    "tokenizer.path": "tokenizer_path tokenizer_file tokenizer_name",
    "corpus.path": "data_dir data_path train_file dataset_path train_data train_path dataset data train_files",
    "corpus.dev": "eval_file validation_file dev_file val_file valid_path eval_data validation",
    "corpus.hub_dataset": "dataset_name hf_dataset hub_id",
    "objective.mask_rate": "mlm_probability mask_prob masking_ratio mask_ratio mask_probability mlm_prob",
    "objective.name": "loss task objective_name training_objective",
    "objective.causal_ratio": "clm_ratio hybrid_ratio causal_share",
    "training.accumulate_grad_batches": "gradient_accumulation_steps grad_accum grad_accumulation",
    "training.precision": "bf16 fp16 mixed_precision amp dtype torch_dtype",
    "training.accelerator": "device cuda use_gpu gpu",
    "training.devices": "gpus n_gpus num_gpus world_size nproc_per_node",
    "training.attention": "attn_implementation attention_backend flash_attention use_flash_attention",
    "training.compile": "torch_compile use_compile",
    "training.log_every": "logging_steps log_interval log_every_n_steps print_every",
    "training.checkpoint_minutes": "save_steps save_interval save_every checkpoint_interval",
    "training.workers": "num_workers dataloader_num_workers",
    "training.threads": "num_threads cpu_threads",
    "training.deterministic": "full_determinism use_deterministic",
    "averaging.decay": "ema_decay ema",
    "checkpoints": "output_dir out_dir save_dir checkpoint_dir run_dir results_dir",
    "milestones": "checkpoint_words save_words",
    "name": "run_name experiment_name exp_name",
    "seed": "random_seed manual_seed data_seed",
    "track": "challenge_track babylm_track",
    "evaluation.tasks": "eval_tasks benchmarks",
    "evaluation.data": "eval_data_dir eval_dir evaluation_data",
    "evaluation.limit": "eval_limit max_eval_samples max_items",
    "logging.wandb": "wandb_project report_to use_wandb",
    "submission.repo": "hub_model_id repo_id repository push_to_hub",
    "submission.license": "licence",
}
"""Our key -> what others call it (torch, transformers, TRL, Lightning, nanoGPT, litgpt)."""

RENAMED = {
    "corpus.hub": "corpus.hub_dataset",
    "corpus.words": "corpus.toy.words",
    "corpus.seed": "corpus.toy.seed",
    "tokenizer.vocabulary": "tokenizer.vocab_size",
    "objective.reading": "objective.masked_prediction",
    "optimizer.clip": "optimizer.max_grad_norm",
    "optimizer.normalized": "optimizer.normuon",
    "optimizer.cautious": "optimizer.cautious_weight_decay",
    "schedule.final": "schedule.final_lr_factor",
    "phases.tokens": "phases.tokens_per_step",
    "training.accumulate": "training.accumulate_grad_batches",
    "training.plan_only": "training.dry_run",
    "training.save_minutes": "training.checkpoint_minutes",
    "evaluation.at": "evaluation.when",
    "evaluation.loss_at": "evaluation.held_out_loss_when",
    "evaluation.scorer": "evaluation.backend",
}
"""Key of the first configurations -> its name now, for the error and for `babylm.convert`."""

OTHER_COMMANDS = {
    "study": "a study: python -m babylm.study runs it, and python -m babylm.report shows its folder",
    "config": "a sweep: python -m babylm.sweep writes its runs down",
    "grid": "a sweep: python -m babylm.sweep writes its runs down",
}
"""A key of a configuration that another command reads -> what it is, and that command."""

KEY_OF = {word: key for key, words in SYNONYMS.items() for word in words.split()}

VALUES = {
    (
        "training.accelerator",
        "mps",
    ): "Apple's GPUs are not supported (attention over packed rows was never tested on "
    "them): use training.accelerator=cpu",
    ("training.accelerator", "cuda"): "use training.accelerator=gpu",
    ("training.accelerator", "tpu"): "only CPUs and NVIDIA GPUs are supported",
    ("model.position", "half_rotary"): "use model.position=rotary with model.partial_rotary_factor=0.5",
    ("model.layer_connections", "plain"): "use model.layer_connections=standard",
    ("model.layer_connections", "average"): "use model.layer_connections=denseformer",
    ("model.attention_gate", "head"): "use model.attention_gate=headwise",
    ("model.attention_gate", "element"): "use model.attention_gate=elementwise",
    ("training.attention", "naive"): "use training.attention=eager",
    ("training.precision", "fp16"): "fp16 needs a loss scale, which is not built in: use bf16 or fp32",
    ("training.precision", "bfloat16"): "use training.precision=bf16",
    ("training.precision", "float32"): "use training.precision=fp32",
}
"""(key, value) -> what to do instead, for values that are not ours but that people try."""
